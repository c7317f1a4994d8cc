"""Login sessions: who is logged in to the console, from where and with what; and how that ends at once."""
