"""The backend for SQLite."""
