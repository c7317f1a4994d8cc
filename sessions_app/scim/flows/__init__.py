"""What an identity provider does with users and groups: one function for each action."""
