"""The project: settings, addresses, databases and the command. The product lives in sessions_app and activity."""
