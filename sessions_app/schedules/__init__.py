"""Downloads that the worker makes at a time of the day, week or month, and whose link it sends by mail."""
