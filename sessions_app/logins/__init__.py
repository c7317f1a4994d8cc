"""Login sessions: who is logged in to the console, from where and with which browser, and how that ends."""
