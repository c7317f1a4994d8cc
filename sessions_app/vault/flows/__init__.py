"""What people do with secrets, one verb a function."""
