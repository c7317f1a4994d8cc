"""What people do with reviews: one module for each kind of review."""
