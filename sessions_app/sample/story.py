"""Builds one privileged session of the sample data step by step.

Each step moves the time on, sets what the session would have then, and adds the line that the log would have.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from activity import log
from activity.models import Level, LogEntry, Outcome
from activity.times_in_text import time_value
from activity.verbs import Verb
from sessions_app.catalogue.models import AccessPolicy, Activity, Resource
from sessions_app.configuration.durations import write_duration
from sessions_app.privileged.flows.control import replaced_by
from sessions_app.privileged.models import (
    ENDED,
    HOLDS_GRANT,
    Approval,
    ControlKind,
    ControlRequest,
    PrivilegedSession,
    Status,
)
from sessions_app.privileged.policy import decide_before
from sessions_app.sample.logins import home
from sessions_app.sample.people import Account

SECOND, MINUTE = dt.timedelta(seconds=1), dt.timedelta(minutes=1)


class Story:
    """A request made at `at`, and what followed. Minutes are counted from the previous step."""

    def __init__(
        self,
        user: Account,
        policy: AccessPolicy,
        activity: Activity,
        resource: Resource,
        at: dt.datetime,
        *,
        by: Account | None = None,
        notes: str = "",
        ticket_number: str = "",
        starts_in: dt.timedelta | None = None,
    ) -> None:
        self.at = at
        self.asker = by or user
        profile = policy.profile
        self.session = PrivilegedSession(
            user=user,
            user_name=user.get_username(),
            requested_by=self.asker,
            resource=resource,
            resource_name=resource.name,
            activity=activity,
            activity_name=activity.name,
            policy=policy,
            profile=profile,
            maximum_duration=profile.maximum_duration,
            notes=notes,
            ticket_number=ticket_number,
            requested_at=at,
            scheduled_for=at + starts_in if starts_in else None,
        )
        self.lines: list[dict[str, Any]] = []
        self.approvals: list[Approval] = []
        self.controls: list[ControlRequest] = []
        self.terminal: Callable[[Any, Story], None] | None = None  # what was recorded from connect() to disconnect()
        self.connected_at = self.disconnected_at = at
        self.status = Status.PENDING if starts_in else Status.PROVISIONING
        if profile.tiers.exists():
            self.status = Status.WAITING
            self.session.current_tier = 1
            self.session.approval_deadline = decide_before(at, profile.approval_timeout, self.session.scheduled_for)
        self._say(Verb.SESSION_REQUESTED, f"{self.asker.get_username()} asked for {activity} on {resource}", self.asker)
        if self.status == Status.PENDING:
            self._schedule(self.asker)

    # --- approval

    def approve(self, by: Account, minutes: float, *, moves_on: bool = True) -> Story:
        """Add an approval of the current tier. It completes the tier unless `moves_on` is False."""
        self._wait(minutes)
        tier = self.session.current_tier
        self.approvals.append(Approval(tier=tier, approver=by, is_approved=True, decided_at=self.at))
        self._say(Verb.SESSION_APPROVED, f"{by.get_username()} approved tier {tier}", by)
        if not moves_on:
            return self
        if tier < self.session.profile.tiers.count():
            self.session.current_tier = tier + 1
            return self
        self.session.current_tier, self.session.approval_deadline = 0, None
        is_later = self.session.scheduled_for is not None and self.session.scheduled_for > self.at
        self.status = Status.PENDING if is_later else Status.PROVISIONING
        if is_later:
            self._schedule(by)
        return self

    def _schedule(self, by: Account) -> None:
        """Say that the session waits for its time."""
        starts = self._known(self.session.scheduled_for)
        self._say(Verb.SESSION_SCHEDULED, f"The session begins at {time_value(starts)}", by)

    def deny(self, by: Account, minutes: float, reason: str) -> Story:
        """Deny the request, which ends it."""
        self._wait(minutes)
        tier = self.session.current_tier
        self.approvals.append(Approval(tier=tier, approver=by, is_approved=False, reason=reason, decided_at=self.at))
        return self._over(Status.DENIED, Verb.SESSION_DENIED, f"{by.get_username()} denied tier {tier}: {reason}", by)

    def time_out(self) -> Story:
        """End the request because nobody decided in time."""
        deadline = self._known(self.session.approval_deadline)
        self.at = deadline + 4 * SECOND
        text = f"Nobody decided before {time_value(deadline)}."
        return self._over(Status.APPROVAL_FAILED, Verb.SESSION_APPROVAL_FAILED, text, level=Level.WARNING)

    # --- running

    def begin(self, minutes: float = 0.1) -> Story:
        """Give the rights. A scheduled session begins at its time."""
        self.at = max(self.at, self.session.scheduled_for or self.at)
        self._wait(minutes)
        self._say(Verb.SESSION_PROVISIONING, "Giving rights to {account}")
        for action in self.session.activity.grant_actions.splitlines():
            self._wait(0.02)
            self._say(Verb.CONNECTOR_STEP, f"Gave {{account}}: {action}")
        self.session.start_at, self.session.end_at = self.at, self.at + self.session.maximum_duration
        self.status = Status.AVAILABLE
        until = time_value(self.session.end_at)
        self._say(Verb.SESSION_AVAILABLE, f"The session is available until {until}")
        return self

    def fail(self, text: str) -> Story:
        """Let the rights fail to be given; what was given is taken back."""
        self._wait(0.1)
        self._say(Verb.SESSION_PROVISIONING, "Giving rights to {account}")
        self._wait(0.05)
        self._say(Verb.CONNECTOR_STEP, text, level=Level.ERROR)
        self.lines[-1]["outcome"] = Outcome.FAILURE
        self.session.end_reason = f"Provisioning failed: {text}"
        text = f"{self.session.end_reason} Nothing had been given."
        return self._over(Status.FAILED, Verb.SESSION_FAILED, text, level=Level.ERROR)

    def log_on(self, minutes: float) -> Story:
        """Let the user log on to the resource."""
        return self._logon(minutes, True)

    def log_off(self, minutes: float) -> Story:
        return self._logon(minutes, False)

    def connect(self, minutes: float, terminal: Callable[[Any, Story], None]) -> Story:
        """Let the user connect by the browser. `terminal` plays what is recorded (terminals.py)."""
        self._wait(minutes)
        self.terminal, self.connected_at = terminal, self.at
        names = f"{self.session.user_name} connected to {self.session.resource_name}"
        self._say(Verb.CONNECTION_OPENED, f"{names} through the gateway (Browser)", self.session.user)
        return self._logon(0, True)

    def disconnect(self, minutes: float) -> Story:
        """Let the user leave the shell."""
        self._wait(minutes)
        self.disconnected_at = self.at
        names = f"{self.session.user_name} to {self.session.resource_name}"
        self._say(Verb.CONNECTION_CLOSED, f"The connection of {names} is over: Closed by the host")
        return self._logon(0, False)

    def _logon(self, minutes: float, is_on: bool) -> Story:
        self._wait(minutes)
        self.status, self.session.is_logged_on = (Status.LOGGED_IN if is_on else Status.AVAILABLE), is_on
        verb = Verb.SESSION_LOGGED_IN if is_on else Verb.SESSION_LOGGED_OFF
        words = "logged in to" if is_on else "logged off from"
        self._say(verb, f"{{account}} {words} {self.session.resource_name}")
        return self

    def view_secret(self, minutes: float, name: str, *, copied: bool = False) -> Story:
        """Add an access to a secret, without its content."""
        self._wait(minutes)
        verb = Verb.SECRET_COPIED if copied else Verb.SECRET_VIEWED
        user = self.session.user
        self._say(verb, f"{user.get_username()} {'copied' if copied else 'viewed'} the secret “{name}”", user)
        return self

    def lock(self, by: Account, minutes: float, title: str, message: str) -> Story:
        self._wait(minutes)
        self.status = Status.LOCKED
        self.session.lock_title, self.session.lock_message = title, message
        self._say(Verb.SESSION_LOCKED, f"{by.get_username()} locked the session: {title}", by, level=Level.WARNING)
        self._control(ControlKind.LOCK, by, title=title, message=message)
        return self

    def unlock(self, by: Account, minutes: float) -> Story:
        self._wait(minutes)
        self.status = Status.LOGGED_IN if self.session.is_logged_on else Status.AVAILABLE
        self.session.lock_title = self.session.lock_message = ""
        self._say(Verb.SESSION_UNLOCKED, f"{by.get_username()} unlocked the session", by)
        self._control(ControlKind.UNLOCK, by)
        return self

    def extend(self, minutes: float) -> Story:
        """Let the user extend the session."""
        self._wait(minutes)
        session = self.session
        session.extensions += 1
        session.end_at = self._known(session.end_at) + session.profile.extension_by
        of_all = f"({session.extensions} of {session.profile.extension_limit})"
        text = f"{session.user_name} extended the session by {write_duration(session.profile.extension_by)} {of_all}"
        self._say(Verb.SESSION_EXTENDED, text, session.user)
        return self

    # --- the end

    def run_out(self) -> Story:
        """Let the session reach its end."""
        end_at = self._known(self.session.end_at)
        self.at = end_at - self.session.profile.end_notice
        text = f"End announced: This session ends at {time_value(end_at)}. Save your work."
        self._say(Verb.SESSION_END_NOTICE, text)
        self.at = end_at + SECOND
        return self._taken_away(Status.COMPLETE, "The session reached its End")

    def end(self, by: Account, minutes: float, *, terminated: bool = False) -> Story:
        """Let the user end the session (complete), or an administrator (canceled)."""
        self._wait(minutes)
        outcome = Status.COMPLETE if by == self.session.user else Status.CANCELED
        text = f"{by.get_username()} {'terminated' if terminated else 'ended'} the session"
        if self.status in (Status.PENDING, Status.WAITING):
            self.session.end_reason = text
            verb = Verb.SESSION_COMPLETED if outcome == Status.COMPLETE else Verb.SESSION_CANCELED
            return self._over(outcome, verb, f"{text} before it began", by)
        return self._taken_away(outcome, text, by, verb=Verb.SESSION_TERMINATED if terminated else None)

    def get_stuck(self, text: str) -> Story:
        """Let the session reach its end while the resource cannot be reached, so that its rights are still there."""
        self.at = self._known(self.session.end_at) + SECOND
        self.status = Status.CANCELING
        self.session.ends_as, self.session.end_reason = Status.COMPLETE, "The session reached its End"
        self._say(Verb.SESSION_CANCELING, "The session reached its End")
        for tries in range(1, 5):
            self._wait(0.02 * 2**tries)
            self._say(Verb.CONNECTOR_STEP, f"Taking rights away: {text}", level=Level.WARNING)
        self.session.attempts, self.session.last_error = 4, text
        self.session.next_attempt_at = self.at
        return self

    def _taken_away(self, outcome: Status, text: str, by: Account | None = None, *, verb: Verb | None = None) -> Story:
        self.session.ends_as, self.session.end_reason = outcome, text
        self.session.is_logged_on = False
        self._say(verb or Verb.SESSION_CANCELING, text, by, level=Level.WARNING if verb else Level.INFO)
        for action in self.session.activity.remove_actions.splitlines():
            self._wait(0.02)
            self._say(Verb.CONNECTOR_STEP, f"Took from {{account}}: {action}")
        self._wait(0.02)
        ended = Verb.SESSION_COMPLETED if outcome == Status.COMPLETE else Verb.SESSION_CANCELED
        label = outcome.label.lower()
        return self._over(outcome, ended, f"All rights are taken away; the session is {label}")

    def _over(
        self, status: Status, verb: Verb, text: str, by: Account | None = None, level: Level = Level.INFO
    ) -> Story:
        self.status = status
        self.session.ended_at = self.at
        self.session.duration = self.at - self.session.start_at if self.session.start_at else None
        self._say(verb, text, by, level=level)
        return self

    # --- what it leaves

    @property
    def holds_grant(self) -> bool:
        """Return whether the session holds rights on the resource."""
        return self.status in HOLDS_GRANT or (self.status == Status.CANCELING and self.session.start_at is not None)

    @property
    def is_ended(self) -> bool:
        return self.status in ENDED

    def entries(self) -> list[LogEntry]:
        """Return the log of the session, after it was saved."""
        return [self._entry(**line) for line in self.lines]

    def _entry(self, *, message: str, actor: Account | None, **line: Any) -> LogEntry:
        """Return one log entry. A person acted from their usual city, and the system has no address."""
        with log.coming_from(home(actor).address(1) if actor is not None else ""):
            return log.draft(
                message=message.replace("{account}", self.session.login_account),
                actor=actor,
                user=self.session.user,
                target=self.session,
                **line,
            )

    def _known(self, time: dt.datetime | None) -> dt.datetime:
        """Return `time`. Raise ValueError if a story takes a step too early, so that there is none."""
        if time is None:
            raise ValueError(f"{self.session}: this step cannot come yet")
        return time

    def _wait(self, minutes: float) -> None:
        self.at += minutes * MINUTE

    def _say(self, verb: Verb, message: str, actor: Account | None = None, level: Level = Level.INFO) -> None:
        self.lines.append({"verb": verb, "message": message, "actor": actor, "level": level, "at": self.at})

    def _control(self, kind: ControlKind, by: Account, **words: str) -> None:
        enforced_at = self.at + SECOND
        for older in self.controls:
            if older.kind in replaced_by(kind) and older.enforced_until is None:
                older.enforced_until = enforced_at
        self.controls.append(
            ControlRequest(kind=kind, requested_by=by, requested_at=self.at, enforced_at=enforced_at, **words)
        )
        self.at = enforced_at
        done = "The lock is in force" if kind == ControlKind.LOCK else "The lock is lifted"
        self._say(Verb.CONTROL_ENFORCED, f"{done} on {self.session.resource_name}")
