"""The lists of privileged sessions and the page of one, with all that belongs to it."""
