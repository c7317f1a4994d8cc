"""What people do with hosts and keys: one function for each action."""
