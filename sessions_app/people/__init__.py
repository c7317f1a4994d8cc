"""Users, groups, applications, and locks of accounts."""
