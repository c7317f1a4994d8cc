"""Real hosts: connectors that give and take away rights, SSH keys and the certificate authority."""
