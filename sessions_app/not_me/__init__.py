"""“This wasn't me”: the mail about a login from a new device, its link, and what its button does."""
