"""Secrets of vaults, which a session shows to its user, and the connector of vaults."""
