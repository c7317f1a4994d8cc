"""The lists and pages of resources, activities, profiles and policies, with their sessions."""
