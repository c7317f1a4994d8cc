"""Users, groups, applications and locks on accounts."""
