"""The overview, which is the home page: what matters to each role, and the first steps of an empty installation."""
