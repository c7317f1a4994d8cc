"""The page on which administrators decide how people sign in."""
