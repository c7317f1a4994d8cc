"""The lists of privileged sessions, and the page of one session with all that belongs to it."""
