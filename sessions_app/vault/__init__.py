"""Secrets that a session shows to its user, and the connector that gives them."""
