"""Access reviews: people who did not grant a right keep it or take it away, and see the effect before the commit."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity import log
from activity.models import LogEntry
from activity.verbs import Verb
from activity.verify_sessionadmin import open_note, parse_vkey
from sessions_app.catalogue.exception_models import AccessException
from sessions_app.catalogue.models import AccessPolicy
from sessions_app.errors import Forbidden, Refused
from sessions_app.evidence import keys
from sessions_app.privileged.models import Status
from sessions_app.privileged.try_it import may
from sessions_app.reviews.flows import access
from sessions_app.reviews.flows.access import Scope, begin_access_review, decide
from sessions_app.reviews.flows.commit import EffectChanged, commit_access_review, effect_of, lift_exception
from sessions_app.reviews.mail import remind_reviewers
from sessions_app.reviews.models import AccessReview, AccessReviewItem, Decision
from sessions_app.reviews.statement import digest
from sessions_app.worker import reconcile
from tests.support import builders, pages
from tests.support.reviews import committed, decide_all, make_access_review
from tests.support.scene import ask

AsUser = Callable[[User], Client]


@pytest.fixture
def policy(alice: User) -> AccessPolicy:
    return builders.make_policy(users=[alice])


@pytest.fixture
def review(policy: AccessPolicy, approver: User, outsider: User) -> AccessReview:
    return make_access_review(approver, outsider)


def only(review: AccessReview) -> AccessReviewItem:
    return review.items.get()


def seen(item: AccessReviewItem) -> dict[int, int]:
    return {item.pk: item.version}


def test_the_snapshot_says_who_may_do_what_by_what(alice: User, approver: User) -> None:
    group = Group.objects.create(name="Night shift")
    alice.groups.add(group)
    policy = builders.make_policy(groups=[group])
    used = timezone.now() - dt.timedelta(days=100)
    builders.make_session(alice, Status.COMPLETE, start_at=used)
    item = only(make_access_review(approver))
    assert (str(item), item.via, item.decides, item.last_used_at, item.policy) == (
        "alice: Patch Linux on web-1 by Linux work",
        "Night shift",
        True,
        used,
        policy,
    )
    policy.name = "Renamed"
    policy.save()
    assert only(item.review).policy_name == "Linux work"


@pytest.mark.parametrize(("kind", "expected"), [("all", 3), ("groups", 1), ("resources", 2), ("policies", 2)])
def test_the_scope_narrows_the_snapshot(alice: User, outsider: User, approver: User, kind: str, expected: int) -> None:
    group = Group.objects.create(name="Night shift")
    outsider.groups.add(group)
    web_2 = builders.make_resource("web-2")
    policy = builders.make_policy(users=[alice], resources=[builders.make_resource(), web_2])
    builders.make_policy("Second", groups=[group], resources=[web_2])
    ids = {"groups": (group.pk,), "resources": (web_2.pk,), "policies": (policy.pk,)}
    review = make_access_review(approver, scope=Scope(kind, "Some", ids.get(kind, ())))
    assert review.items.count() == expected


def test_nobody_decides_about_a_right_of_their_own(alice: User, policy: AccessPolicy, outsider: User) -> None:
    review = make_access_review(alice, outsider)
    decided = decide(alice, review, seen(only(review)), Decision.KEEP, "")
    assert (decided.done, list(decided.refused)) == ([], ["The right is your own. Somebody else has to decide."])
    assert only(review).decision == ""


def test_nobody_decides_about_a_right_that_they_granted(
    alice: User, approver: User, admin: User, outsider: User, as_user: AsUser
) -> None:
    """By the log: who made the policy, who put the person into the group, and who put the group into the policy."""
    group = Group.objects.create(name="Night shift")
    policy = builders.make_policy(groups=[])
    boss, other_boss = builders.make_admin("boss"), builders.make_admin("other-boss")
    form = f"/groups/{group.pk}/change/"
    for actor, name in ((boss, "Night shift"), (other_boss, "Nights")):
        client = as_user(actor)
        sent = pages.fields(pages.elements(client.get(form)), ".//form[@id='configuration']")
        assert client.post(form, sent | {"name": name, "members": [str(alice.pk)]}).status_code == 302
    client = as_user(other_boss)
    form = f"/policies/{policy.pk}/change/"
    sent = pages.fields(pages.elements(client.get(form)), ".//form[@id='configuration']")
    sent |= {name: [str(getattr(policy, name).get().pk)] for name in ("activities", "resources")}
    sent["users"] = []
    answer = client.post(form, sent | {"groups": [str(group.pk)]})
    assert answer.status_code == 302, pages.texts(pages.elements(answer), ".//*[@class='errorlist']")
    review = make_access_review(boss, other_boss, admin)
    item = only(review)
    assert item.why_barred(boss) == "You added alice to the group Night shift."
    assert item.why_barred(other_boss) == "You added Nights to the access policy Linux work."
    assert item.why_barred(admin) == ""
    assert item.granted_by == "boss, other-boss"
    assert [len(decide(one, review, seen(item), Decision.KEEP, "").done) for one in (boss, other_boss, admin)] == [
        0,
        0,
        1,
    ]


@pytest.mark.parametrize("kind", ["activities", "resources"])
def test_who_added_the_activity_or_the_resource_to_the_policy_does_not_decide(
    alice: User, admin: User, as_user: AsUser, kind: str
) -> None:
    policy, boss = builders.make_policy(users=[alice]), builders.make_admin("boss")
    new = builders.make_activity("Copy data") if kind == "activities" else builders.make_resource("web-2")
    form = f"/policies/{policy.pk}/change/"
    client = as_user(boss)
    sent = pages.fields(pages.elements(client.get(form)), ".//form[@id='configuration']")
    sent |= {name: [str(getattr(policy, name).get().pk)] for name in ("activities", "resources", "users")}
    sent["groups"] = []
    sent[kind] = [*sent[kind], str(new.pk)]
    assert client.post(form, sent).status_code == 302
    new.name = "Renamed since"
    new.save()
    review = make_access_review(boss, admin)
    barred = {str(item): item.why_barred(boss) for item in review.items.all()}
    added = "Copy data" if kind == "activities" else "web-2"
    assert sorted(barred.values()) == ["", f"You added {added} to the access policy Linux work."]
    assert [bool(why) for item, why in barred.items() if "Renamed since" in item] == [True]


def test_who_made_the_policy_does_not_decide(admin: User, alice: User, approver: User, as_user: AsUser) -> None:
    sent = {
        "users": [str(alice.pk)],
        "activities": [str(builders.make_activity().pk)],
        "resources": [str(builders.make_resource().pk)],
        "profile": str(builders.make_profile().pk),
        "name": "Made here",
        "priority": "100",
        "is_active": "on",
    }
    assert as_user(admin).post("/policies/add/", sent).status_code == 302
    item = only(make_access_review(admin, approver))
    assert item.why_barred(admin) in (
        "You made the access policy Made here.",
        "You added alice to the access policy Made here.",
    )
    assert item.why_barred(approver) == ""


def test_only_reviewers_decide_and_taking_away_needs_a_reason(
    review: AccessReview, admin: User, approver: User
) -> None:
    with pytest.raises(Forbidden, match="Only the reviewers"):
        decide(admin, review, seen(only(review)), Decision.KEEP, "")
    with pytest.raises(Refused, match="Say why"):
        decide(approver, review, seen(only(review)), Decision.TAKE_AWAY, " ")
    decide_all(approver, review)
    entry = LogEntry.objects.get(verb=Verb.ACCESS_REVIEW_DECIDED)
    assert entry.message == (
        "approver decided in the access review “Autumn” to take away alice: Patch Linux on web-1 by Linux work: "
        "moved to sales"
    )


def test_what_somebody_else_decided_meanwhile_stays(review: AccessReview, approver: User, outsider: User) -> None:
    item = only(review)
    decide(approver, review, seen(item), Decision.TAKE_AWAY, "moved to sales")
    decided = decide(outsider, review, seen(item), Decision.KEEP, "")
    assert decided.done == []
    assert [text[:63] for text in decided.refused] == [
        "approver decided it meanwhile (Take away: moved to sales). Look"[:63]
    ]
    assert only(review).decision == Decision.TAKE_AWAY
    assert len(decide(outsider, review, seen(only(review)), Decision.KEEP, "").done) == 1


def test_a_commit_needs_every_decision_and_shows_its_effect_first(
    alice: User, policy: AccessPolicy, review: AccessReview, approver: User
) -> None:
    session = ask(alice)
    reconcile()
    with pytest.raises(Refused, match="1 right must be decided first"):
        commit_access_review(approver, review, "")
    decide_all(approver, review)
    builders.make_policy("Second way", users=[alice], activities=[builders.make_activity("Read logs")])
    effect = effect_of(approver, review)
    assert (effect.ending, effect.still, effect.gone, len(effect.taken)) == ([session.pk], [], [], 1)
    assert AccessException.objects.count() == 0
    assert committed(approver, review) == effect
    session.refresh_from_db()
    assert session.status == Status.AVAILABLE  # the worker ends it
    reconcile()
    session.refresh_from_db()
    assert (session.status, session.end_reason) == (
        Status.CANCELED,
        f"The right was withdrawn: {AccessException.objects.get().sentence}",
    )
    taken = LogEntry.objects.get(verb=Verb.RIGHT_TAKEN_AWAY)
    assert (taken.user, taken.actor, taken.target_id) == (alice, approver, policy.pk)


def test_the_effect_names_what_other_policies_still_give(alice: User, review: AccessReview, approver: User) -> None:
    session = ask(alice)
    reconcile()
    builders.make_policy("Second way", users=[alice], priority=500)
    decide_all(approver, review)
    effect = effect_of(approver, review)
    assert (effect.ending, [(str(item), names) for item, names in effect.still]) == (
        [],
        [("alice: Patch Linux on web-1 by Linux work", ("Second way",))],
    )
    decide_all(approver, review, Decision.TAKE_AWAY_ALL)
    assert (effect_of(approver, review).ending, effect_of(approver, review).still) == ([session.pk], [])
    committed(approver, review)
    assert may(alice, builders.make_activity(), builders.make_resource()).policy is None
    assert AccessException.objects.get().policy is None


def test_a_policy_that_changes_meanwhile_shows_the_new_effect_and_commits_nothing(
    alice: User, policy: AccessPolicy, review: AccessReview, approver: User
) -> None:
    decide_all(approver, review)
    shown = effect_of(approver, review).fingerprint
    policy.users.clear()
    with pytest.raises(EffectChanged) as changed:
        commit_access_review(approver, review, shown)
    assert [str(item) for item in changed.value.effect.gone] == ["alice: Patch Linux on web-1 by Linux work"]
    assert AccessException.objects.count() == 0
    review.refresh_from_db()
    assert review.is_open
    commit_access_review(approver, review, changed.value.effect.fingerprint)
    review.refresh_from_db()
    assert "taken away: 1\n" in review.statement  # it says what was reviewed


@pytest.mark.parametrize("is_deleted_before", [False, True])
def test_what_was_taken_away_does_not_come_back_by_an_equal_policy(
    alice: User, policy: AccessPolicy, review: AccessReview, approver: User, admin: User, is_deleted_before: bool
) -> None:
    decide_all(approver, review)
    if is_deleted_before:
        policy.delete()
    committed(approver, review)
    assert only(review).policy_name == "Linux work"
    if not is_deleted_before:
        policy.delete()
    builders.make_policy("Linux work again", users=[alice])
    answer = may(alice, builders.make_activity(), builders.make_resource())
    assert (answer.policy, answer.obstacle) == (None, AccessException.objects.get().sentence)
    lift_exception(admin, AccessException.objects.get(), "Back on the team")
    assert may(alice, builders.make_activity(), builders.make_resource()).is_allowed


def delete_it(policy: AccessPolicy) -> None:
    policy.delete()


def switch_it_off(policy: AccessPolicy) -> None:
    AccessPolicy.objects.filter(pk=policy.pk).update(is_active=False)


def name_nobody(policy: AccessPolicy) -> None:
    policy.users.clear()


@pytest.mark.parametrize("end", [delete_it, switch_it_off, name_nobody])
def test_what_was_taken_away_is_not_given_by_an_equal_policy_that_was_made_during_the_review(
    alice: User,
    policy: AccessPolicy,
    review: AccessReview,
    approver: User,
    as_user: AsUser,
    end: Callable[[AccessPolicy], None],
) -> None:
    decide_all(approver, review)
    end(policy)
    builders.make_policy("Linux work again", users=[alice])
    page = as_user(approver).get(f"/reviews/access/{review.pk}/commit/").content.decode()
    assert "so the right is taken from every policy" in page
    assert "Still given by other policies" not in page
    committed(approver, review)
    assert AccessException.objects.get().policy is None
    assert may(alice, builders.make_activity(), builders.make_resource()).policy is None


def test_a_policy_that_ended_takes_nothing_from_one_by_which_the_review_keeps_the_right(
    alice: User, policy: AccessPolicy, approver: User, outsider: User
) -> None:
    other = builders.make_policy("Second way", users=[alice], priority=500)
    review = make_access_review(approver, outsider)
    first, second = review.items.order_by("policy")
    decide(approver, review, seen(first), Decision.TAKE_AWAY, "moved to sales")
    decide(approver, review, seen(second), Decision.KEEP, "")
    switch_it_off(policy)
    committed(approver, review)
    assert AccessException.objects.get().policy == policy
    assert may(alice, builders.make_activity(), builders.make_resource()).policy == other


def test_what_another_review_took_from_the_policy_meanwhile_stays_given_by_others(
    alice: User, policy: AccessPolicy, approver: User
) -> None:
    reviews = [make_access_review(approver, name=name) for name in ("Spring", "Autumn")]
    other = builders.make_policy("Second way", users=[alice], priority=500)
    for review in reviews:
        decide_all(approver, review)
        committed(approver, review)
    assert AccessException.objects.get().policy == policy
    assert may(alice, builders.make_activity(), builders.make_resource()).policy == other


@pytest.mark.parametrize("is_active", [True, False])
def test_what_another_policy_keeps_giving_is_taken_from_its_own_policy_alone(
    alice: User, policy: AccessPolicy, approver: User, outsider: User, is_active: bool
) -> None:
    other = builders.make_policy("Second way", users=[alice], priority=500)
    review = make_access_review(approver, outsider)
    first, second = review.items.order_by("policy")
    decide(approver, review, seen(first), Decision.TAKE_AWAY, "moved to sales")
    decide(approver, review, seen(second), Decision.KEEP, "")
    AccessPolicy.objects.filter(pk=other.pk).update(is_active=is_active)  # what was kept counts also while it is off
    committed(approver, review)
    assert AccessException.objects.get().policy == policy
    AccessPolicy.objects.update(is_active=True)
    assert may(alice, builders.make_activity(), builders.make_resource()).policy == other


def test_what_is_taken_from_every_policy_that_gives_it_stays_away(
    alice: User, policy: AccessPolicy, approver: User, outsider: User
) -> None:
    builders.make_policy("Second way", users=[alice], priority=500)
    review = make_access_review(approver, outsider)
    decide_all(approver, review)
    committed(approver, review)
    assert [each.policy for each in AccessException.objects.all()] == [None]
    assert LogEntry.objects.filter(verb=Verb.RIGHT_TAKEN_AWAY).count() == 2


def test_the_statement_is_signed_and_stands_for_what_is_exported(
    review: AccessReview, approver: User, as_user: AsUser
) -> None:
    keys.ensure()
    decide_all(approver, review, Decision.KEEP)
    committed(approver, review)
    answer = as_user(approver).get(f"/reviews/access/{review.pk}/export/")
    content = json.loads(answer.content)
    assert answer["Content-Disposition"] == f'attachment; filename="access-review-{review.pk}-autumn.json"'
    assert open_note(content["signed_note"], [parse_vkey(keys.vkey(keys.active()))]).text == content["statement"]
    assert f"SHA-256 of the rights and decisions: {digest(content['rights'])}\n" in content["statement"]
    assert [(each["user"], each["decision"]) for each in content["rights"]] == [("alice", "keep")]
    assert LogEntry.objects.filter(verb=Verb.EXPORTED, target_id=review.pk, actor=approver).exists()


def test_what_has_ended_is_decided_no_more(review: AccessReview, approver: User, auditor: User) -> None:
    access.cancel_access_review(auditor, review, "Begun twice")
    for verb in (lambda: decide_all(approver, review), lambda: committed(approver, review)):
        with pytest.raises(Refused, match="canceled"):
            verb()


def test_an_administrator_gives_back_what_was_taken_but_not_their_own(
    alice: User, review: AccessReview, approver: User, admin: User
) -> None:
    decide_all(approver, review)
    committed(approver, review)
    exception = AccessException.objects.get()
    with pytest.raises(Forbidden):
        lift_exception(approver, exception, "Back again")
    own = AccessException.objects.create(
        user=admin,
        activity=exception.activity,
        resource=exception.resource,
        review_name="Autumn",
        reason="x",
        made_by=approver,
    )
    with pytest.raises(Forbidden, match="of their own"):
        lift_exception(admin, own, "I need it")
    lift_exception(admin, exception, "Back on the team")
    with pytest.raises(Refused, match="already"):
        lift_exception(admin, exception, "Back on the team")
    assert may(alice, builders.make_activity(), builders.make_resource()).is_allowed
    entry = LogEntry.objects.get(verb=Verb.RIGHT_GIVEN_BACK)
    assert (entry.user, entry.actor) == (alice, admin)


def test_a_review_of_nothing_or_of_too_much_is_refused(
    monkeypatch: pytest.MonkeyPatch, auditor: User, alice: User, approver: User
) -> None:
    with pytest.raises(Refused, match="nothing to review"):
        make_access_review(approver)
    builders.make_policy(users=[alice, approver])
    monkeypatch.setattr(access, "MOST_ITEMS", 1)
    with pytest.raises(Refused, match="All rights has 2 rights, and a review holds at most 1"):
        make_access_review(approver)
    assert AccessReview.objects.count() == 0
    with pytest.raises(Forbidden):
        begin_access_review(
            alice, name="Mine", scope=Scope("all", "All"), reviewers=[alice], due_on=timezone.localdate()
        )


def test_reviewers_are_reminded_three_days_before_and_each_day_after(
    review: AccessReview, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    def reminded(days: int) -> list[str]:
        mail.outbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            remind_reviewers(review.due_on + dt.timedelta(days=days))
        return sorted(f"{letter.to[0]}: {letter.subject}" for letter in mail.outbox)

    assert reminded(-4) == []
    assert reminded(-3) == [
        "approver@example.com: [SessionAdmin] Access review due: Autumn",
        "outsider@example.com: [SessionAdmin] Access review due: Autumn",
    ]
    assert reminded(-3) == []  # once a day
    assert len(reminded(1)) == 2
    assert "overdue" in mail.outbox[0].subject
    assert "1 right is not decided yet." in mail.outbox[0].body
    AccessReview.objects.update(canceled_at=timezone.now())
    assert reminded(2) == []


# --- the pages


def test_a_reviewer_keeps_and_takes_away_on_the_page(review: AccessReview, approver: User, as_user: AsUser) -> None:
    client, item = as_user(approver), only(review)
    listed = pages.elements(client.get(f"/reviews/access/{review.pk}/"))
    [row] = pages.table(listed)
    assert (row["User"], row["Access policy"], row["Through"], row["Last used"], row["Decision"]) == (
        "alice",
        "Linux work",
        "directly",
        "never",
        "Undecided",
    )
    address = f"/reviews/access/{review.pk}/decide/take_away/"
    asked = pages.elements(client.get(address, {"ids": item.pk}))
    assert client.post(address, pages.fields(asked)).status_code == 422  # without a reason
    assert client.post(address, pages.fields(asked) | {"reason": "moved to sales"}).status_code == 302
    assert only(review).decision == Decision.TAKE_AWAY
    assert client.post(address, pages.fields(asked) | {"reason": "again"}).status_code == 302
    assert only(review).reason == "moved to sales"  # decided with a version that is no more
    asked = pages.elements(client.get(f"/reviews/access/{review.pk}/commit/"))
    assert "alice: Patch Linux on web-1, by Linux work (moved to sales)" in pages.text(asked)
    wrong = client.post(f"/reviews/access/{review.pk}/commit/", {"fingerprint": "old"})
    assert wrong.status_code == 422
    assert "Nothing was committed" in wrong.content.decode()
    sent = pages.fields(pages.elements(wrong))
    assert client.post(f"/reviews/access/{review.pk}/commit/", sent).status_code == 302
    review.refresh_from_db()
    assert review.committed_by == approver


def test_unused_rights_are_those_not_used_for_long_before_the_snapshot(
    alice: User, approver: User, as_user: AsUser
) -> None:
    builders.make_policy(users=[alice], resources=[builders.make_resource(f"web-{n}") for n in (1, 2, 3)])
    review = make_access_review(approver)
    long_ago = timezone.now() - dt.timedelta(days=400)
    AccessReview.objects.update(begun_at=long_ago)
    for name, days in (("web-1", 80), ("web-2", 100)):
        review.items.filter(resource_name=name).update(last_used_at=long_ago - dt.timedelta(days=days))
    page = pages.elements(as_user(approver).get(f"/reviews/access/{review.pk}/?used=unused"))
    assert [row["Resource"] for row in pages.table(page)] == ["web-2", "web-3"]


def test_selected_rights_are_kept_at_once(approver: User, alice: User, as_user: AsUser) -> None:
    builders.make_policy(users=[alice, approver], resources=[builders.make_resource(f"web-{n}") for n in range(3)])
    review = make_access_review(approver)
    client = as_user(approver)
    ids = list(review.items.values_list("pk", flat=True))
    asked = pages.elements(client.get(f"/reviews/access/{review.pk}/decide/keep/", {"ids": ids}))
    assert pages.text(asked.find(".//button[@class='button primary']")) == "Keep 3 of 6"
    sent = pages.fields(asked)
    assert client.post(f"/reviews/access/{review.pk}/decide/keep/", sent).status_code == 302
    kept = review.items.filter(decision=Decision.KEEP).values_list("user_name", flat=True)
    assert list(kept) == ["alice"] * 3


def test_an_auditor_begins_a_review_by_the_form(
    auditor: User, alice: User, approver: User, policy: AccessPolicy, as_user: AsUser
) -> None:
    client = as_user(auditor)
    sent = pages.fields(pages.elements(client.get("/reviews/access/add/")), ".//form[@id='configuration']")
    refused = client.post("/reviews/access/add/", sent)
    assert refused.status_code == 422
    sent |= {"name": "Autumn", "kind": "policies", "policies": [str(policy.pk)], "reviewers": [str(approver.pk)]}
    made = client.post("/reviews/access/add/", sent)
    review = AccessReview.objects.get()
    assert made["Location"] == f"/reviews/access/{review.pk}/"
    assert (review.scope["words"], review.items.count()) == ("By Linux work", 1)
    change = f"/reviews/access/{review.pk}/change/"
    sent = pages.fields(pages.elements(client.get(change)), ".//form[@id='configuration']")
    sent |= {"reviewers": [str(approver.pk), str(alice.pk)]}
    assert client.post(change, sent).status_code == 302
    assert sorted(review.reviewers.values_list("username", flat=True)) == ["alice", "approver"]
    past = sent | {"due_on": "2020-01-01"}
    assert "has passed already" in client.post(change, past).content.decode()


def test_who_does_not_review_sees_nothing(review: AccessReview, alice: User, approver: User, as_user: AsUser) -> None:
    item = only(review)
    for path in ("", "commit/", "export/", f"decide/keep/?ids={item.pk}", "change/", "cancel/"):
        assert as_user(alice).get(f"/reviews/access/{review.pk}/{path}").status_code == 404
    assert pages.table(pages.elements(as_user(alice).get("/reviews/access/"))) == []
    [row] = pages.table(pages.elements(as_user(approver).get("/reviews/access/")))
    assert row["Access review"] == "Autumn"
    other = make_access_review(name="Other")
    assert as_user(approver).get(f"/reviews/access/{other.pk}/").status_code == 404
    stranger = other.items.get()
    address = f"/reviews/access/{review.pk}/decide/keep/"
    assert as_user(approver).get(address, {"ids": stranger.pk}).status_code == 404
    assert as_user(approver).post(address, {"ids": "drop table"}).status_code == 404


def test_thousands_of_rights_cost_the_same_queries_as_a_few(auditor: User, alice: User, as_user: AsUser) -> None:
    counts = []
    policy = builders.make_policy(users=[alice])
    client = as_user(auditor)
    for number, name in ((2, "Few"), (60, "Many")):
        policy.resources.set([builders.make_resource(f"web-{each}") for each in range(number)])
        review = make_access_review(auditor, name=name)
        client.get(f"/reviews/access/{review.pk}/")
        for path in ("", "commit/"):
            if path:
                decide_all(auditor, review)
            with CaptureQueriesContext(connection) as captured:
                assert client.get(f"/reviews/access/{review.pk}/{path}").status_code == 200
            counts.append(len(captured))
    assert counts[:2] == counts[2:]


def test_whose_right_it_is_or_who_granted_it_does_not_undo_the_review(
    alice: User, approver: User, outsider: User, as_user: AsUser
) -> None:
    boss, other = builders.make_admin("boss"), builders.make_admin("other-boss")
    policy = builders.make_policy(users=[alice, other])
    log.record(Verb.RECORD_ADDED, "Added access policy “Linux work”", actor=boss, target=policy)
    review = make_access_review(approver, outsider)
    access.cancel_access_review(boss, make_access_review(approver, name="Nothing decided"), "Begun twice")
    decide_all(approver, review)
    for actor in (boss, other):
        with pytest.raises(Forbidden, match="Somebody else has to cancel the review"):
            access.cancel_access_review(actor, review, "I need it")
    committed(approver, review)
    exception = AccessException.objects.get(user=alice)
    with pytest.raises(Forbidden, match="You made the access policy Linux work"):
        lift_exception(boss, exception, "They need it")
    assert as_user(boss).post(f"/reviews/taken-away/{exception.pk}/lift/", {"reason": "They need it"}).status_code in (
        302,
        403,
    )
    exception.refresh_from_db()
    assert exception.lifted_at is None
    lift_exception(other, exception, "They need it")
