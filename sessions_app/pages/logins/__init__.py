"""The page of one login session, and logging many people out at once."""
