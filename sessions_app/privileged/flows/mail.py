"""E-mail to approvers, requesters and users, sent after the commit.

A failure does not undo the decision. It is logged, and is a warning in the session's log, so that somebody can tell the
person in another way.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.mail import EmailMessage
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.text import plain
from activity.times_in_text import with_local_times
from activity.verbs import Verb
from sessions_app.people.letters import letter, send
from sessions_app.people.personal import settings_by_person, zone_for_mail
from sessions_app.privileged.flows.approvers import approvers_of, tier_being_asked
from sessions_app.privileged.models import Approval, PrivilegedSession


def ask_approvers(sessions: Sequence[PrivilegedSession]) -> None:
    """Send each approver of the current tiers one message that lists what waits for them."""
    waiting: dict[AbstractUser, list[PrivilegedSession]] = {}
    decisions = Approval.objects.filter(session__in=[session.pk for session in sessions])
    decided = set(decisions.values_list("session_id", "tier", "approver_id"))
    people: dict[tuple[int, int], list[AbstractUser]] = {}  # all sessions have the same user and requester
    for session in sessions:
        asked = (session.profile_id, session.current_tier)
        if asked not in people:
            tier = tier_being_asked(session)
            not_ids = (session.user_id, session.requested_by_id)
            people[asked] = approvers_of(tier, not_ids=not_ids) if tier else []
        for approver in people[asked]:
            if (session.pk, session.current_tier, approver.pk) not in decided:
                waiting.setdefault(approver, []).append(session)
    link = f"{settings.SITE_URL}{reverse('approvals')}"
    letters = []
    chosen_by = settings_by_person(waiting)
    for approver, theirs in waiting.items():
        chosen = chosen_by.get(approver.pk)
        if chosen is not None and not chosen.mails_approvals:
            continue
        lines = [f"{theirs[0].user_name} asks for:", ""]
        for session in theirs:
            lines += [f"- {session.activity_name} on {session.resource_name}", f"  {url(session)}"]
        lines += ["", *_why(theirs[0], zone_for_mail(chosen)), f"Everything that waits for you: {link}"]
        count = f" and {len(theirs) - 1} more" if len(theirs) > 1 else ""
        letters.append(_letter(approver, f"Approval wanted: {theirs[0]}{count}", lines))
    _send_after_commit(letters, sessions)


def tell_people(session: PrivilegedSession, subject: str, text: str) -> None:
    """Send a message to the user and the requester of the session."""
    people = {person.pk: person for person in (session.user, session.requested_by)}
    chosen_by = settings_by_person(people.values())
    letters = []
    for person in people.values():
        chosen = chosen_by.get(person.pk)
        if chosen is not None and not chosen.mails_sessions:
            continue
        with timezone.override(zone_for_mail(chosen)):
            lines = [plain(with_local_times(text)), "", f"The session: {url(session)}"]
        letters.append(_letter(person, f"{subject}: {session}", lines))
    _send_after_commit(letters, [session])


def url(session: PrivilegedSession) -> str:
    """Return the full address of the session's page."""
    return f"{settings.SITE_URL}{session.get_absolute_url()}"


def _why(session: PrivilegedSession, zone: dt.tzinfo) -> list[str]:
    facts = [f"Notes: {session.notes}"] if session.notes else []
    facts += [f"Ticket: {session.ticket_number}"] if session.ticket_number else []
    if session.scheduled_for:
        facts.append(f"Start: {session.scheduled_for.astimezone(zone):%Y-%m-%d %H:%M %Z}")
    if session.approval_deadline:
        facts.append(f"Decide before: {session.approval_deadline.astimezone(zone):%Y-%m-%d %H:%M %Z}")
    return [*facts, ""] if facts else []


def _letter(person: AbstractUser, subject: str, lines: Sequence[str]) -> EmailMessage | None:
    """Return a message; None for a person without an e-mail address."""
    return letter(person, subject, lines) if person.email else None


def _send_after_commit(letters: Sequence[EmailMessage | None], sessions: Sequence[PrivilegedSession]) -> None:
    addressed = [letter for letter in letters if letter is not None]
    if letters and not addressed:
        _warn(sessions, "No e-mail was sent: nobody concerned has an e-mail address.")
    if addressed:
        transaction.on_commit(lambda: _send(addressed, sessions), robust=True)


def _send(letters: Sequence[EmailMessage], sessions: Sequence[PrivilegedSession]) -> None:
    if problem := send(letters, f"sessions {[session.pk for session in sessions]}"):
        _warn(sessions, f"E-mail could not be sent ({problem}); tell the people concerned yourself.")


def _warn(sessions: Sequence[PrivilegedSession], text: str) -> None:
    for session in sessions:
        log.record(Verb.MAIL_FAILED, text, user=session.user, target=session, level=Level.WARNING)
