"""What people do with secrets: one function for each action."""
