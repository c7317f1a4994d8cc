"""Move sessions that are due: start, provision, monitor, expire and deprovision them.

The session's row is the truth. A pass finds what is due (passes.py), claims one session at a time with a lease
(lease.py), and does the step that its status asks for. Every step can be repeated, so a worker that dies leaves nothing
behind: its lease runs out, and another worker does the step again. This package knows no request, page or template.
"""

from sessions_app.worker.passes import reconcile

__all__ = ["reconcile"]
