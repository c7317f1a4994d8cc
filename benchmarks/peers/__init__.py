"""The peers: what others would use for the same pages, with the same rows and the same login."""
