"""What people do through the gateway, one function for each action."""
