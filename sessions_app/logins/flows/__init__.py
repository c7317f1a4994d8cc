"""What people do with login sessions, one verb a function."""
