"""What can be requested: resources, activities, connection profiles, and the access policies that allow them."""
