"""Loads the sample data: one transaction for the database, and then the grants of open sessions."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from activity import log
from activity.models import Level, LogEntry
from sessions_app.catalogue.flows.resource import lock_resource
from sessions_app.hosts.connectors import practice
from sessions_app.login_rules.models import ONLY_ROW, RequiredFor, SignInSettings
from sessions_app.privileged import lifecycle
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.models import Approval, ControlRequest, Status
from sessions_app.sample import terminals
from sessions_app.sample.catalogue import Catalogue, make_catalogue
from sessions_app.sample.history import Stories
from sessions_app.sample.logins import make_logins
from sessions_app.sample.people import People, make_people
from sessions_app.sample.story import Story
from sessions_app.worker.step import StepContext


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """The loaded sample data."""

    people: People
    catalogue: Catalogue
    stories: list[Story]
    entries: int


def load_sample(now: dt.datetime) -> Sample:
    """Create the sample data as of `now`.

    1. Create people, catalogue, logins, sessions with their logs, and two locks, all in one transaction.

    2. After the commit, because files cannot be rolled back, write the files of recordings and the grants of open
    sessions on the practice hosts, so that the worker finds what it will take away.
    """
    with transaction.atomic():
        people = make_people()
        catalogue = make_catalogue(people)
        stories = Stories(people, catalogue, now).all()
        entries = make_logins(people, now) + save(stories)
        recordings = terminals.keep_running(stories)
        with log.importing("sample data"):
            count = log.record_all(sorted(entries, key=lambda entry: entry.at))
        # Whoever tries the console logs in with the sample passwords, as often as they like.
        SignInSettings.objects.update_or_create(pk=ONLY_ROW, defaults={"second_factor": RequiredFor.NOBODY})
        admin, frank = people.users["admin"], people.users["frank"]
        lock_resource(
            admin, catalogue.resources["dc-1"], title="Maintenance", message="Replication is repaired until tonight."
        )
        lock_account(admin, frank, title="On leave", message="Call the operations desk when you are back.")
    terminals.finish(recordings)
    for story in stories:
        if story.holds_grant:
            grant(story)
    return Sample(people, catalogue, stories, count)


def save(stories: list[Story]) -> list[LogEntry]:
    """Save the sessions with their approvals and controls. Return their log entries, which are not saved yet."""
    lifecycle.adopt([(story.session, story.status) for story in stories])
    for story in stories:
        for approval in story.approvals:
            approval.session = story.session
        for control in story.controls:
            control.session = story.session
            control.enforced_until = control.enforced_until or story.session.ended_at
    Approval.objects.bulk_create([approval for story in stories for approval in story.approvals])
    ControlRequest.objects.bulk_create([control for story in stories for control in story.controls])
    superseded = []
    for story in stories:
        for older, newer in itertools.pairwise(story.controls):  # the controls alternate: a lock, then its unlock
            older.superseded_by = newer
            superseded.append(older)
    ControlRequest.objects.bulk_update(superseded, ["superseded_by"])
    return [entry for story in stories for entry in story.entries()]


def grant(story: Story) -> None:
    """Give what the session holds on its practice host. The log has its lines already.

    Raise ConnectorError if the host refuses it.
    """
    session = story.session
    context = StepContext(session, "sample", timezone.now)
    connector, rights = context.connector(), context.grant()
    connector.grant(rights, _quiet)
    if session.is_logged_on:
        practice.log_on(session.pk)
    if story.status == Status.LOCKED:
        connector.lock(rights, session.lock_title, session.lock_message, _quiet)
    if story.status == Status.CANCELING:
        practice.set_state(session.resource_name, practice.UNREACHABLE)


def remove_old_grants(directory: Path) -> list[str]:
    """Remove grants of another database, and simulated faults of hosts, from `directory`. Return the file names.

    Nobody else would take those grants away.
    """
    left = [path for path in sorted(directory.glob("*/*")) if path.name != ".lock"]
    for path in left:
        path.unlink()
    return [path.name for path in left]


def _quiet(text: str, level: Level) -> None:
    """Ignore the connector's messages, because the story has them already."""
