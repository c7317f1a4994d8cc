"""What people do with privileged sessions: one function for each action."""
