"""Connectors for real hosts and for practice. The registry and the protocol are catalogue/connectors.py."""
