"""Single sign-on: providers from the settings, whose account is whose, roles by groups, and logout from both sides."""
