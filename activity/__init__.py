"""The package that the console is built on: the activity log, and how lists are shown.

It imports nothing of sessions_app.
"""
