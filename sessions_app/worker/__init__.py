"""Moves what is due: starts, provisions, watches, expires and cleans up privileged sessions.

The session's row is the truth. A pass finds what is due (passes.py), claims one session at a time by a lease
(lease.py), and does the step that its status asks for. Every step may be repeated, so a worker that dies leaves
nothing behind: its lease runs out and another one does the step again. Knows no request, page or template.
"""

from sessions_app.worker.passes import reconcile

__all__ = ["reconcile"]
