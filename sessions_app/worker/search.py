"""Search hosts for files that ended sessions left there. Nobody waits for the result.

This has threads of its own, because a search may take HOST_SEARCH_SECONDS. Any number of workers may do it at once: a
host is searched by the worker that claims it (hosts/search_models.py).
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from dataclasses import dataclass, field

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.catalogue.connectors import ConnectorError
from sessions_app.hosts.connectors.ssh.left import MOST_SAID
from sessions_app.hosts.connectors.ssh.search import Findings, search
from sessions_app.hosts.search_models import MOST_SESSIONS, SEARCH_EVERY, HostSearch, HostSearchQuerySet, LeftFiles
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.repeating import RepeatingThread

HOSTS_AT_A_TIME = 8
STOP_WAIT_SECONDS = 2.0  # seconds that a stopping worker waits for searches; longer ones are started again
GIVE_UP_AFTER = dt.timedelta(days=1)  # how long a host that cannot be searched is tried again

logger = logging.getLogger(__name__)


@dataclass
class SearchClaim:
    """A host that this worker searches, the sessions, and the time that identifies the claim."""

    row: HostSearch
    began_at: dt.datetime
    sessions: list[PrivilegedSession] = field(default_factory=list)

    def search(self) -> None:
        """Search the host, and note what was found or why the search failed."""
        resource = self.row.resource
        try:
            findings = search(resource, [session.pk for session in self.sessions])
        except ConnectorError as error:
            logger.warning("%s could not be searched: %s", resource.name, error)
            self._note_problem(str(error)[:300])
        else:
            self._note(findings)

    def give_back(self) -> None:
        """Let another worker search, after what this one began on the host has ended."""
        soon = timezone.now() + dt.timedelta(seconds=settings.HOST_SEARCH_SECONDS)
        self._mine().update(began_at=None, next_at=soon)

    def _mine(self) -> HostSearchQuerySet:
        return HostSearch.objects.filter(pk=self.row.pk, began_at=self.began_at)

    def _is_over(self, problem: str) -> bool:
        """Note the end of the search, in the caller's transaction. Return False when the claim was given up."""
        return bool(self._mine().update(next_at=self.began_at + SEARCH_EVERY, problem=problem))

    @transaction.atomic
    def _note(self, findings: Findings) -> None:
        if not self._is_over(""):
            return
        for session in self.sessions:
            self._say(session, findings)
        rows = LeftFiles.objects.filter(session__in=self.sessions)
        left = [row for row in rows if row.session_id in findings.counts]
        for row in left:
            row.searched_at, row.count = timezone.now(), findings.counts[row.session_id]
            row.found = findings.paths.get(row.session_id, [])
        LeftFiles.objects.bulk_update(left, ["searched_at", "count", "found"])
        rows.exclude(pk__in=[row.pk for row in left]).delete()

    def _say(self, session: PrivilegedSession, findings: Findings) -> None:
        host, account = session.resource_name, session.login_account
        row = LeftFiles(found=findings.paths.get(session.pk, []), count=findings.counts.get(session.pk, 0))
        if row.count:
            left = row.words(MOST_SAID)
            _record(session, f"Left on {host} by {account}, whose user id nobody gets again: {left}", Level.WARNING)
        if findings.is_incomplete:
            _record(
                session,
                f"{host} has more files than could be searched in {settings.HOST_SEARCH_SECONDS} s for what {account} "
                "left",
                Level.WARNING,
            )
        elif not row.count:
            _record(session, f"{host} was searched for files that {account} left: there are none", Level.DEBUG)

    @transaction.atomic
    def _note_problem(self, problem: str) -> None:
        if not self._is_over(problem):
            return
        late = [one for one in self.sessions if one.ended_at and one.ended_at < self.began_at - GIVE_UP_AFTER]
        for session in late:
            _record(
                session,
                f"{session.resource_name} was not searched for files that {session.login_account} left: {problem} "
                "It is not tried again.",
                Level.WARNING,
            )
        LeftFiles.objects.filter(session__in=late).delete()


def _record(session: PrivilegedSession, text: str, level: Level) -> None:
    log.record(Verb.CONNECTOR_STEP, text, user=session.user, target=session, level=level)


def claim_due(most: int = HOSTS_AT_A_TIME) -> list[SearchClaim]:
    """Claim hosts whose search is due, at most `most` of them."""
    if not settings.HOST_SEARCH_SECONDS:
        return []
    now = timezone.now()
    claims = []
    for row in HostSearch.objects.due(now).select_related("resource__service_key").order_by("next_at", "pk")[:most]:
        if HostSearch.objects.claim(row.pk, now):
            waiting = LeftFiles.objects.waiting(now).filter(session__resource=row.resource_id).order_by("pk")
            sessions = PrivilegedSession.objects.filter(pk__in=waiting.values("session")[:MOST_SESSIONS])
            claims.append(SearchClaim(row, now, list(sessions.select_related("user").order_by("pk"))))
    return claims


class Searcher(RepeatingThread):
    """The thread that looks for hosts to be searched. Each search has a thread of its own."""

    name = "search"
    every = 2.0
    problem = "Which hosts are to be searched could not be read"

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(stop)
        self._under_way: list[tuple[SearchClaim, threading.Thread]] = []

    def finish(self) -> None:
        """Wait a moment for running searches, and give back those that would take longer."""
        super().finish()
        until = time.monotonic() + STOP_WAIT_SECONDS
        for claim, thread in self._under_way:
            thread.join(max(until - time.monotonic(), 0.0))
            if thread.is_alive():
                claim.give_back()

    def look(self) -> None:
        """Start the searches that are due, as many as may run at a time."""
        self._under_way = [one for one in self._under_way if one[1].is_alive()]
        for claim in claim_due(HOSTS_AT_A_TIME - len(self._under_way)):
            # A daemon thread, so that the process does not wait for it at its end.
            thread = threading.Thread(
                target=_search, args=(claim,), name=f"search-{claim.row.resource_id}", daemon=True
            )
            thread.start()
            self._under_way.append((claim, thread))


def _search(claim: SearchClaim) -> None:
    try:
        claim.search()
    except (DatabaseError, InterfaceError):
        logger.exception(
            "The result of the search on %s could not be stored; the search is repeated", claim.row.resource.name
        )
    finally:
        connection.close()  # each thread has its own connection
