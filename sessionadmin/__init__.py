"""The project: settings, urls and wsgi. Wiring only; what the product does lives in sessions_app and activity."""
