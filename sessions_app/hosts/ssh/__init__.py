"""What connector, certificate authority and console share about SSH: keys and certificates. Knows no session flow."""
