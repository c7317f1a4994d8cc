"""Hosts: the connectors that give and take away rights on them, SSH keys, and the certificate authority."""
