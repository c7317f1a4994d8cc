"""What others would use for the same pages, on the same rows, behind the same login."""
