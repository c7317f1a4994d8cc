"""SSH keys and certificates, which the connector, the certificate authority and the console share."""
