"""Runs a whole installation under load and constant trouble, and checks what is left at the end."""
