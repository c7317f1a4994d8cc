"""Connectors for real hosts and for practice. Their base class and the registry are in catalogue/connectors.py."""
