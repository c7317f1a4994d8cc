"""What people do with their second factors: set one up, rename it, remove it; and what administrators do."""
