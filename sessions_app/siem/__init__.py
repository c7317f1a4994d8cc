"""Sends the entries of the activity log to other systems, such as a SIEM."""
