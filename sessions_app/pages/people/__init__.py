"""The lists and pages of users, groups and applications, with their sessions and logins."""
