"""Which entries of the log are about a host, or about a session with a recording (activity/related.py)."""

from __future__ import annotations

from django.db.models import Q
from django.urls import reverse_lazy

from activity.related import Related
from sessions_app.catalogue.models import Resource
from sessions_app.gateway.recordings.models import Recording
from sessions_app.privileged.models import PrivilegedSession

SESSION = PrivilegedSession._meta.label_lower


def of_hosts(name: str, is_whole: bool) -> Q:
    """Return the condition for entries about the hosts of that name, and about the sessions on them."""
    lookup = "folded_exact" if is_whole else "folded_contains"
    hosts = list(Resource.objects.filter(**{f"name__{lookup}": name}).values_list("pk", flat=True))
    sessions = PrivilegedSession.objects.filter(resource_id__in=hosts).order_by().values("pk")
    itself = Q(target_type=Resource._meta.label_lower, target_id__in=hosts)
    return itself | Q(target_type=SESSION, target_id__in=sessions)


def with_recording() -> Q:
    """Return the condition for entries about sessions of which there is a recording."""
    return Q(target_type=SESSION, target_id__in=Recording.objects.order_by().values("session_id"))


RELATED = Related(of_hosts, with_recording, reverse_lazy("session_names", args=["host"]))
