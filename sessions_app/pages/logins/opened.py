"""What was opened and done in one login session, from the connections of its browser and from the log."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet
from django.utils.html import format_html

from activity import log
from activity.addresses import numbered
from activity.listing import link, short_time
from activity.models import LogEntry
from activity.names import logged
from activity.tables import message_text
from activity.verbs import Verb
from sessions_app.gateway.models import GatewayConnection
from sessions_app.logins.models import LoginSession
from sessions_app.roles import sees_everything

MOST_ENTRIES = 50
MOST_OF_A_KIND = 10
# What the page tells apart, by the verbs of the log.
KINDS: tuple[tuple[str, tuple[Verb, ...]], ...] = (
    ("Sessions requested", (Verb.SESSION_REQUESTED,)),
    ("One-time passwords", (Verb.PASSWORD_GIVEN,)),
    ("Certificates", (Verb.CERTIFICATE_SIGNED,)),
    ("Secrets", (Verb.SECRET_VIEWED, Verb.SECRET_COPIED)),
    ("Exports", (Verb.EXPORT_BEGAN, Verb.RECORDING_DOWNLOADED)),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """One kind of thing that was opened: the newest with their times, and whether there are older ones."""

    label: str
    rows: Sequence[tuple[str, str]]
    has_more: bool


def opened_in(person: AbstractUser, login: LoginSession) -> list[Opened]:
    """Return what was opened in the login session, as far as `person` may see it, with one query for each kind."""
    of_login = LogEntry.objects.visible_to(person).of_login(login.pk)
    return [_terminals(person, login), *(_kind(label, of_login.filter(verb__in=verbs)) for label, verbs in KINDS)]


def entries_of(person: AbstractUser, login: LoginSession) -> list[LogEntry]:
    """Return the newest entries of what was done in the login session or to it, as far as `person` may see them."""
    visible = LogEntry.objects.visible_to(person)
    found = {
        pk
        for entries in (visible.of_login(login.pk), visible.of_target(login))
        for pk in entries.order_by("-pk").values_list("pk", flat=True)[:MOST_ENTRIES]
    }
    return list(logged(LogEntry.objects.filter(pk__in=found)).order_by("-pk")[:MOST_ENTRIES])


def _terminals(person: AbstractUser, login: LoginSession) -> Opened:
    """Return the connections through the gateway: terminals of the browser, and SSH by its one-time passwords."""
    found = list(
        GatewayConnection.objects.filter(login_session=login)
        .select_related("session")
        .order_by("-pk")[: MOST_OF_A_KIND + 1]
    )
    return Opened(
        "Terminals and connections",
        [(short_time(row.started_at), _connection(person, row)) for row in found[:MOST_OF_A_KIND]],
        len(found) > MOST_OF_A_KIND,
    )


def _connection(person: AbstractUser, row: GatewayConnection) -> str:
    session = row.session
    is_visible = sees_everything(person) or session.user_id == person.pk
    until = format_html("until {}: {}", short_time(row.ended_at), row.get_end_reason_display()) if row.ended_at else ""
    return format_html(
        "{} to {} as {}, {}",
        row.get_entry_point_display(),
        link(numbered("session", session.pk) if is_visible else "", session.resource_name),
        session.login_account,
        until or "open",
    )


def _kind(label: str, entries: QuerySet[LogEntry]) -> Opened:
    found = list(entries.order_by("-pk")[: MOST_OF_A_KIND + 1])
    rows = [(short_time(entry.at), _what(entry)) for entry in found[:MOST_OF_A_KIND]]
    return Opened(label, rows, len(found) > MOST_OF_A_KIND)


def _what(entry: LogEntry) -> str:
    text = link(numbered("activity_entry", entry.pk), message_text(entry))
    target = log.target_url(entry)
    return format_html("{} ({})", text, link(target, entry.target_name)) if target else text
