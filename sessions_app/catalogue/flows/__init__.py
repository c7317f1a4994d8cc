"""What people do with the catalogue: one function for each action."""
