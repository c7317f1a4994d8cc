"""What the `admin` modules of the packages share. Those modules say what can be managed in the Django admin.

Every change is logged by audit_trail.py, with old and new value. Sessions, logins and the log are not managed there:
they are history, which only flows change.
"""
