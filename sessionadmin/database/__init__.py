"""Django's backends, which also say when a transaction holds the database for long."""
