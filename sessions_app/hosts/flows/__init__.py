"""What people do with hosts and keys, one verb a function."""
