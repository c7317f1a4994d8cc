"""The shared floor: the activity log, and how lists are shown. Knows nothing of sessions."""
