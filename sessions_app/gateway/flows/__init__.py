"""What people do through the gateway, one verb a function."""
