"""What people do with the catalogue, one verb a function."""
