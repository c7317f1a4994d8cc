"""Reviews that auditors sign off: periods of the activity log, and the rights that people have."""
