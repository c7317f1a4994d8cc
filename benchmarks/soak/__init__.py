"""A whole installation under load and under constant trouble, and the question what was left at the end."""
