"""The Django admin: where resources, activities, profiles, policies and people are managed.

Every change is logged by audit_trail.py, with old and new value. Sessions, logins and the log are not here: they are
history, changed by flows only.
"""

from sessions_app.admin import keys, people, policy, vault

__all__ = ["keys", "people", "policy", "vault"]
