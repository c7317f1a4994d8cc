"""Find on a host what belongs to no open session, and take it away."""

from __future__ import annotations

from django.utils import timezone

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.catalogue.connectors import Grant, Held, connector_for
from sessions_app.catalogue.models import Resource
from sessions_app.catalogue.terms import groups_of
from sessions_app.errors import Refused
from sessions_app.hosts.connectors.ssh import SshConnector
from sessions_app.hosts.models import HostComparison
from sessions_app.hosts.search_models import HostSearch, LeftFiles
from sessions_app.privileged.models import LIVE, PrivilegedSession


def find_leftovers(resource: Resource) -> list[Held]:
    """Return what the host holds for sessions that have ended or that this console does not know.

    Raise Refused if the resource is no host, and ConnectorError if it cannot be asked.
    """
    found = _everything_on(resource)
    numbers = {one.session_id for one in found}
    # Read after the host, so that a session that gets rights in the meantime counts as open.
    going_on = PrivilegedSession.objects.filter(pk__in=numbers, resource=resource, status__in=LIVE)
    living = set(going_on.values_list("pk", flat=True))
    return [one for one in found if one.session_id not in living]


def remove_leftovers(resource: Resource, found: list[Held]) -> list[int]:
    """Take everything of these sessions away, as their end would have done. Return their numbers.

    Raise ConnectorError for the first session that cannot be cleaned up.
    """
    numbers = sorted({one.session_id for one in found})
    for number in numbers:
        session = PrivilegedSession.objects.filter(pk=number, resource=resource).select_related("activity").first()

        def say(text: str, level: Level, session: PrivilegedSession | None = session) -> None:
            log.record(Verb.CONNECTOR_STEP, text, target=session or resource, level=level)

        say(f"Removing what was left of session {number} on {resource.name}", Level.WARNING)
        connector_for(resource.connector).take_away(_grant(resource, number, session), say)
    return numbers


def files_elsewhere(resource: Resource) -> tuple[list[LeftFiles], int, str]:
    """Return what the searches of the host have found, how many sessions wait for a search, and the last error.

    Only sessions that are over are searched for.
    """
    rows = LeftFiles.objects.filter(session__resource=resource)
    problem = HostSearch.objects.filter(resource=resource).values_list("problem", flat=True).first() or ""
    return list(rows.exclude(searched_at=None).order_by("session")), rows.filter(searched_at=None).count(), problem


def compare_deep(resource: Resource, session_id: int | None) -> tuple[HostComparison, list[list[str]], str]:
    """Return what is new on the host since before a session, and what was not compared.

    It is the latest compared session unless `session_id` is given. The result is the stored one if the session has
    ended, and the current one while it is open. Raise Refused if no session was compared there, and ConnectorError if
    the host cannot be asked.
    """
    rows = HostComparison.objects.filter(session__resource=resource).select_related(
        "session__activity", "session__profile"
    )
    row = rows.filter(**({"session": session_id} if session_id else {})).order_by("-session").first()
    if row is None:
        raise Refused(
            f"No session on {resource.name} was compared. Tick “compare the host” in the connection profile; "
            "sessions that begin after that are."
        )
    if row.after_at is not None:
        return row, row.news, row.problem
    news, problem = SshConnector().compare(_grant(resource, row.session_id, row.session), row)
    return row, news, problem


def _everything_on(resource: Resource) -> list[Held]:
    """Return what has a session's number on the resource. A vault has nothing."""
    connector = connector_for(resource.connector)
    if not connector.can_list_grants:
        raise Refused(f"{resource.name} uses the connector {resource.connector}, which leaves nothing behind anywhere.")
    return connector.held(resource.pk, resource.name)


def _grant(resource: Resource, number: int, session: PrivilegedSession | None) -> Grant:
    """Return as much of the grant as is needed to take it away. The notes on the host have the rest."""
    activity = session.activity if session else None
    return Grant(
        session_id=number,
        resource_name=resource.name,
        address=resource.address,
        port=resource.port,
        login_account=session.login_account if session else "",
        user_name=session.user_name if session else "",
        grant_actions=(),
        remove_actions=tuple(
            line for line in (activity.remove_actions if activity else "").splitlines() if line.strip()
        ),
        ends_at=timezone.now(),
        resource_id=resource.pk,
        host_identity=session.host_identity if session else "",
        groups=groups_of(activity.unix_groups) if activity else (),
        keep_home=session.profile.keep_home if session else True,
    )
