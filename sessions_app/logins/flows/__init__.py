"""What people do with login sessions: one function for each action."""
