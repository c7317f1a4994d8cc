"""Reviews of the log: an auditor signs off a period that has ended, with exceptions that get an answer."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.utils import timezone

from activity import log
from activity.models import Level, LogEntry
from activity.seal.models import Checkpoint
from activity.seal.signing import NoSigningKey
from activity.verbs import Verb
from activity.verify_sessionadmin import open_note, parse_vkey
from sessions_app.errors import Forbidden, Refused
from sessions_app.evidence import keys
from sessions_app.reviews.flows.log_review import (
    add_exception,
    answer_exception,
    begin_log_review,
    close_exception,
    remove_exception,
    sign_off,
)
from sessions_app.reviews.models import LogReview, ReviewException
from sessions_app.reviews.statement import digest
from tests.support import builders, pages
from tests.support.reviews import HOUR, make_log_review

AsUser = Callable[[User], Client]


@pytest.fixture
def entries(alice: User) -> list[LogEntry]:
    """Return three entries of the hour that has passed; the last one is a warning."""
    at = timezone.now() - HOUR / 2
    levels = (Level.INFO, Level.INFO, Level.WARNING)
    return [
        log.record(Verb.SECRET_VIEWED, f"alice viewed secret {n}", actor=alice, level=level, at=at)
        for n, level in enumerate(levels)
    ]


@pytest.fixture
def review(entries: list[LogEntry], auditor: User) -> LogReview:
    return make_log_review(auditor)


def test_the_statement_says_what_was_reviewed_and_is_signed(
    entries: list[LogEntry], review: LogReview, auditor: User
) -> None:
    keys.ensure()
    Checkpoint.objects.create(size=99, root=b"\x07" * 32, note="n", key="k")
    add_exception(auditor, review, entries[2].pk, "Who allowed this?")
    signed = sign_off(auditor, review, agreed=(), exceptions=1)
    assert (signed.entries, signed.first_entry, signed.last_entry) == (3, entries[0].pk, entries[2].pk)
    lines = signed.statement.splitlines()
    assert f"checkpoint of the log: 99 entries, root {'07' * 32}" in lines
    assert {"entries in the period: 3", "exceptions: 1", "reviewed by: auditor", "looked at: every entry"} <= set(lines)
    assert open_note(signed.signed_note, [parse_vkey(keys.vkey(keys.active()))]).text == signed.statement
    entry = LogEntry.objects.get(verb=Verb.LOG_REVIEW_SIGNED)
    assert (entry.actor, entry.details["statement"]) == (auditor, signed.statement)


def test_without_a_key_it_is_signed_off_and_says_so(
    review: LogReview, auditor: User, as_user: AsUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sign(text: str) -> str:
        raise NoSigningKey

    monkeypatch.setattr("sessions_app.reviews.statement.sign", sign)
    sign_off(auditor, review, agreed=(), exceptions=0)
    page = as_user(auditor).get(f"/reviews/{review.pk}/").content.decode()
    assert "It has no signature: there was no signing key." in page


def test_nobody_signs_off_what_has_not_ended(auditor: User) -> None:
    now = timezone.now()
    with pytest.raises(Refused, match="has not ended yet"):
        begin_log_review(auditor, since=now - HOUR, until=now + HOUR)
    with pytest.raises(Refused, match="later than the beginning"):
        begin_log_review(auditor, since=now, until=now - HOUR)


@pytest.mark.parametrize("who", ["alice", "admin"])
def test_only_auditors_review(request: pytest.FixtureRequest, review: LogReview, who: str) -> None:
    with pytest.raises(Forbidden, match="Only auditors"):
        sign_off(request.getfixturevalue(who), review, agreed=(), exceptions=0)


def test_a_period_that_overlaps_is_signed_only_by_who_agrees(review: LogReview, auditor: User) -> None:
    sign_off(auditor, review, agreed=(), exceptions=0)
    second = make_log_review(auditor, since=review.since - HOUR, until=review.until - HOUR / 4)
    beside = make_log_review(auditor, since=review.since - HOUR, until=review.since)
    with pytest.raises(Refused, match=f"overlapping reviews again .{review.pk} of auditor"):
        sign_off(auditor, second, agreed=(), exceptions=0)
    signed = sign_off(auditor, second, agreed={review.pk}, exceptions=0)
    assert f"overlaps with reviews: {review.pk}\n" in signed.statement
    with pytest.raises(Refused, match=f"{second.pk} of auditor"):
        sign_off(auditor, beside, agreed={review.pk}, exceptions=0)


def test_an_exception_that_came_meanwhile_is_not_signed_unseen(
    entries: list[LogEntry], review: LogReview, auditor: User
) -> None:
    add_exception(auditor, review, entries[0].pk, "Why?")
    with pytest.raises(Refused, match="exceptions have changed"):
        sign_off(auditor, review, agreed=(), exceptions=0)


def test_an_exception_is_of_the_period_and_stands_once(
    entries: list[LogEntry], review: LogReview, auditor: User, alice: User
) -> None:
    later = log.record(Verb.LOGIN, "alice logged in", actor=alice)
    for entry_id, reason in ((later.pk, "not in the period"), (10**12, "has no entry")):
        with pytest.raises(Refused, match=reason):
            add_exception(auditor, review, entry_id, "Why?")
    add_exception(auditor, review, entries[0].pk, "Why?")
    with pytest.raises(Refused, match="already"):
        add_exception(auditor, review, entries[0].pk, "Why again?")
    sign_off(auditor, review, agreed=(), exceptions=1)
    with pytest.raises(Refused, match="stay as they are"):
        add_exception(auditor, review, entries[1].pk, "Why?")
    with pytest.raises(Refused, match="stay as they are"):
        remove_exception(auditor, ReviewException.objects.get())
    with pytest.raises(Refused, match="stay as they are"):
        sign_off(auditor, review, agreed=(), exceptions=1)


def test_who_is_asked_answers_and_an_auditor_closes(
    entries: list[LogEntry],
    review: LogReview,
    auditor: User,
    alice: User,
    outsider: User,
    admin: User,
    as_user: AsUser,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        exception = add_exception(auditor, review, entries[0].pk, "Why at night?", asked=alice)
    assert mail.outbox[-1].to == ["alice@example.com"]
    page = f"/reviews/exceptions/{exception.pk}/"
    assert "alice viewed secret 0" in as_user(alice).get(page).content.decode()
    assert as_user(outsider).get(page).status_code == 404
    assert as_user(alice).get(f"/reviews/{review.pk}/").status_code == 404
    assert as_user(alice).post(page, {"answer": ""}).status_code == 422
    assert as_user(auditor).post(page, {"answer": "I say so"}).status_code == 403
    assert as_user(alice).post(page, {"answer": "The backup had failed"}).status_code == 302
    assert as_user(alice).post(f"{page}close/").status_code == 403
    assert as_user(auditor).post(f"{page}close/").status_code == 302
    exception.refresh_from_db()
    assert (exception.answer, exception.answered_by, exception.closed_by) == ("The backup had failed", alice, auditor)
    with pytest.raises(Refused, match="closed"):
        answer_exception(admin, exception, "Too late")
    with pytest.raises(Refused, match="already"):
        close_exception(auditor, exception)
    verbs = LogEntry.objects.of_target(exception).order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == [
        Verb.REVIEW_EXCEPTION_ADDED,
        Verb.REVIEW_EXCEPTION_ANSWERED,
        Verb.REVIEW_EXCEPTION_CLOSED,
    ]


def test_an_auditor_reviews_what_the_log_shows_and_signs_on_the_pages(
    entries: list[LogEntry], auditor: User, as_user: AsUser
) -> None:
    client = as_user(auditor)
    form = pages.elements(client.get("/reviews/add/?level=warning&period=7d&sort=-at"))
    sent = pages.fields(form, ".//form[@id='configuration']")
    assert sent["filters"] == "level=warning"
    here = timezone.localtime() - HOUR / 4
    times = {"since": here - HOUR, "until": here}
    sent |= {name: f"{value:%Y-%m-%dT%H:%M}" for name, value in times.items()}
    assert client.post("/reviews/add/", sent | {"filters": "no_such=1"}).status_code == 422
    assert client.post("/reviews/add/", sent | {"until": f"{here + HOUR:%Y-%m-%dT%H:%M}"}).status_code == 422
    review_url = client.post("/reviews/add/", sent)["Location"]
    page = pages.elements(client.get(review_url))
    assert pages.facts(page)["Looked at"].startswith("Level is Warning")
    links = [link.get("href", "") for link in page.iter("a")]
    assert any("/activity/?period=custom" in link and "level=warning" in link for link in links)
    entry = pages.elements(client.get(f"/activity/{entries[2].pk}/"))
    [add] = [link.get("href", "") for link in entry.iter("a") if "exception" in pages.text(link)]
    added = pages.fields(pages.elements(client.get(add))) | {"note": "Why?"}
    review = LogReview.objects.get()
    answer = client.post("/reviews/exceptions/add/", added | {"review": review.pk})
    assert answer["Location"] == review_url
    question = pages.fields(pages.elements(client.get(f"{review_url}sign/")))
    assert client.post(f"{review_url}sign/", question).status_code == 302
    review.refresh_from_db()
    assert (review.looked_at, review.entries, review.signed_by) == (1, 3, auditor)
    content = json.loads(client.get(f"{review_url}export/").content)
    assert f"SHA-256 of the exceptions: {digest(content['exceptions'])}\n" in content["statement"]
    [row] = pages.table(pages.elements(client.get("/reviews/")))
    assert (row["State"], row["Entries"], row["Exceptions"], row["Open"]) == ("Signed off", "3", "1", "1")


def test_the_overlap_is_shown_and_agreed_to_on_the_page(review: LogReview, auditor: User, as_user: AsUser) -> None:
    sign_off(auditor, review, agreed=(), exceptions=0)
    second = make_log_review(auditor)
    client = as_user(auditor)
    question = pages.elements(client.get(f"/reviews/{second.pk}/sign/"))
    assert f"#{review.pk}" in pages.text(question)
    sent = pages.fields(question)
    assert client.post(f"/reviews/{second.pk}/sign/", sent).status_code == 422
    assert client.post(f"/reviews/{second.pk}/sign/", sent | {"agreed": "on"}).status_code == 302
    second.refresh_from_db()
    assert second.signed_by == auditor


def test_a_review_that_is_not_signed_can_be_discarded(review: LogReview, auditor: User, as_user: AsUser) -> None:
    client = as_user(auditor)
    assert client.post(f"/reviews/{review.pk}/discard/").status_code == 302
    assert LogReview.objects.count() == 0
    kept = make_log_review(auditor)
    sign_off(auditor, kept, agreed=(), exceptions=0)
    client.post(f"/reviews/{kept.pk}/discard/")
    assert LogReview.objects.count() == 1


def test_who_does_not_audit_finds_no_link_to_add_an_exception(
    entries: list[LogEntry], admin: User, as_user: AsUser
) -> None:
    page = pages.elements(as_user(admin).get(f"/activity/{entries[0].pk}/"))
    assert [link for link in page.iter("a") if "exception" in pages.text(link)] == []


def test_dates_far_away_are_no_error(auditor: User, as_user: AsUser) -> None:
    client = as_user(auditor)
    for since, until in (("0001-01-01T00:00", "0001-01-02T00:00"), ("9999-12-31T23:59", "x"), ("", "")):
        answer = client.post("/reviews/add/", {"since": since, "until": until, "filters": "", "note": ""})
        assert answer.status_code in (302, 422)
    assert LogReview.objects.filter(until__gt=dt.datetime(2000, 1, 1, tzinfo=dt.UTC)).count() == 0
    assert builders.make_user("alice").is_active


def test_a_filter_that_the_log_no_longer_understands_is_not_signed(auditor: User) -> None:
    review = make_log_review(auditor, filters="level=nonsense", filter_words="Level is Nonsense")
    with pytest.raises(Refused, match="does not understand the filter"):
        sign_off(auditor, review, agreed=(), exceptions=0)
    assert LogReview.objects.get().signed_at is None
