"""Two web servers and two workers on one PostgreSQL, and eight people at once: everything happens once, and nothing
that somebody did is lost. Real processes, which share the database alone."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import AccessPolicy
from sessions_app.hosts.connectors import practice
from sessions_app.privileged.models import Approval, PrivilegedSession, Status
from tests.support import builders, pages
from tests.support.fleet import Browser, at_once, environment, webs, workers
from tests.support.scene import HOUR
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres_only, pytest.mark.django_db(transaction=True)]

PEOPLE = 4  # each with two windows, one at each web server: eight clients
WIZARD = "/sessions/request/"


@pytest.fixture
def cast(settings: Any, tmp_path: Path) -> list[User]:
    """Create four people, whose sessions on two hosts each need two approvals and may be extended twice."""
    settings.PRACTICE_DIR = tmp_path / "practice"
    approvers = [builders.make_user(name) for name in ("approver", "second-approver")]
    people = [builders.make_user(f"person-{number}") for number in range(PEOPLE)]
    for person in people:
        name = f"Work of {person.username}"
        profile = builders.make_profile(name, tiers=[approvers], extension_limit=2, extension_by=HOUR)
        profile.tiers.update(required=2)
        resources = [builders.make_resource(f"{person.username}-{place}") for place in ("a", "b")]
        builders.make_policy(name, users=[person], resources=resources, profile=profile)
    return people


def have(status: Status) -> bool:
    """Return whether all sessions have this status."""
    return set(PrivilegedSession.objects.values_list("status", flat=True)) == {status}


def how_often(verb: Verb) -> Counter[int | None]:
    """Count the log entries with this verb, by session."""
    return Counter(
        LogEntry.objects.filter(verb=verb, target_type="sessions_app.privilegedsession").values_list(
            "target_id", flat=True
        )
    )


def reviewed(browser: Browser, at: str, policy: AccessPolicy) -> dict[str, Any]:
    """Return the fields of the review page for all that the policy gives, ready to be sent."""
    form = {
        "activity": policy.activities.get().pk,
        "resources": list(policy.resources.values_list("pk", flat=True)),
        "notes": "",
        "ticket_number": "",
        "when": "now",
        "start_at": "",
        "do": "review",
    }
    page = pages.elements(browser.post(at, WIZARD, form))
    return {**pages.fields(page, ".//form[@method='post']"), "do": "send"}


def test_everything_happens_once_and_nothing_is_lost(cast: list[User], admin: User, tmp_path: Path) -> None:
    env = environment(tmp_path)
    with webs(tmp_path, 2, env) as (first, second), workers(2, env):
        browsers = {person: Browser(person) for person in cast}
        forms = {person: reviewed(browsers[person], first, AccessPolicy.objects.get(users=person)) for person in cast}
        # Each form is sent twice, to both servers at the same moment.
        answers = at_once(
            [partial(browsers[person].post, at, WIZARD, forms[person]) for person in cast for at in (first, second)]
        )
        assert [answer.status_code for answer in answers] == [302] * len(answers), answers[0].text
        sessions = list(PrivilegedSession.objects.order_by("pk"))
        assert Counter(session.user_name for session in sessions) == {person.username: 2 for person in cast}
        numbers = [session.pk for session in sessions]
        once = Counter(numbers)
        assert how_often(Verb.SESSION_REQUESTED) == once

        def do(verb: str, *who: User, **values: Any) -> None:
            """Let these people do `verb` to all sessions at the same time, by both servers."""
            windows = [Browser(user) for user in who]
            for chunk in (numbers[:4], numbers[4:]):
                at_once(
                    [
                        partial(window.post, at, f"/sessions/do/{verb}/", {"ids": [pk], **values})
                        for pk in chunk
                        for window, at in zip(windows, (first, second), strict=True)
                    ]
                )

        approvers = [User.objects.get(username=name) for name in ("approver", "second-approver")]
        do("approve", *approvers)
        assert Approval.objects.count() == 2 * len(numbers)
        wait_until(lambda: have(Status.AVAILABLE), "all sessions are available")
        assert how_often(Verb.SESSION_APPROVED) == Counter(numbers * 2)
        for verb in (Verb.SESSION_PROVISIONING, Verb.SESSION_AVAILABLE):
            assert how_often(verb) == once
        assert len(practice.grants()) == len(numbers)

        ends = dict(PrivilegedSession.objects.values_list("pk", "end_at"))
        do("extend", admin, admin)
        for session in PrivilegedSession.objects.all():
            assert session.extensions == how_often(Verb.SESSION_EXTENDED)[session.pk] == 2
            end = ends[session.pk]
            assert end is not None
            assert session.end_at == end + 2 * HOUR

        do("lock", admin, builders.make_admin("second-admin"), title="Stop", message="")
        assert how_often(Verb.SESSION_LOCKED) == once
        wait_until(lambda: all(state["locked"] for _, state in practice.grants()), "the hosts know the locks")
        do("unlock", admin, admin)
        assert how_often(Verb.SESSION_UNLOCKED) == once

        do("terminate", admin, builders.make_admin("third-admin"), cancel="on")
        wait_until(lambda: have(Status.CANCELED), "all sessions are over")
    assert how_often(Verb.SESSION_TERMINATED) == once
    assert how_often(Verb.SESSION_CANCELED) == once
    assert practice.grants() == []
    # What a worker did is said by one worker.
    steps = LogEntry.objects.filter(verb__in=[Verb.CONNECTOR_STEP, Verb.CONTROL_ENFORCED])
    said = Counter(steps.values_list("target_id", "message"))
    assert said
    assert {line: times for line, times in said.items() if times > 1} == {}
