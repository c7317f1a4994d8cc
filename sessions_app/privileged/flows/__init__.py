"""What people do with privileged sessions, one verb a function."""
