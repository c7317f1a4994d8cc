"""Shows the documents of the repository inside the console, at /help/, with a search."""
