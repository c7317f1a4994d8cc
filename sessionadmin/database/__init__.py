"""Django's database backends, which also log when a transaction holds the database for long."""
