"""What may be requested: resources, activities, connection profiles, access policies."""
