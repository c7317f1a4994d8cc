"""A token is shown once, stored as a hash, and good until it expires or is revoked. Wrong ones are counted."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.scim.models import ScimToken
from tests.support.scim import ScimClient, make_token

ADD = "/scim-tokens/add/"


def test_an_administrator_makes_a_token_which_is_shown_once(boss: Client, admin: User) -> None:
    page = boss.post(ADD, {"name": "Directory", "valid_for": "90"})
    (text,) = set(re.findall(r"sessionadmin_scim_[\w-]+", page.content.decode()))
    assert page["Cache-Control"] == "no-store"
    token = ScimToken.objects.get()
    assert text not in str(ScimToken.objects.values())
    assert text not in str(list(LogEntry.objects.values()))
    assert token.expires_at is not None
    assert dt.timedelta(days=89) < token.expires_at - timezone.now() < dt.timedelta(days=90)
    entry = LogEntry.objects.get(verb=Verb.SCIM_TOKEN_MADE)
    assert (entry.actor, entry.target_name) == (admin, "Directory")
    assert ScimClient(text).get("Users").status_code == 200
    token.refresh_from_db()
    assert token.last_used_ip == "127.0.0.1"
    shown = boss.get("/scim-tokens/").content.decode()
    assert "Directory" in shown
    assert "sessionadmin_scim" not in shown
    assert boss.post(ADD, {"name": "Directory"}).status_code == 422


def test_a_revoked_and_an_expired_token_count_no_more(boss: Client, admin: User) -> None:
    revoked = ScimClient(make_token(admin))
    assert boss.post(f"/scim-tokens/{ScimToken.objects.get().pk}/revoke/").status_code == 302
    expired = ScimClient(make_token(admin, "Old", expires_at=timezone.now()))
    for client in (revoked, expired, ScimClient("nonsense")):
        answer = client.get("Users")
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="SCIM"')
        assert answer.json()["status"] == "401"
    assert LogEntry.objects.filter(verb=Verb.SCIM_TOKEN_REVOKED, actor=admin).count() == 1
    refused = list(LogEntry.objects.filter(verb=Verb.SCIM_REFUSED).order_by("pk").values_list("message", flat=True))
    assert refused == [
        "SCIM request with the token “Directory”, which is revoked",
        "SCIM request with the token “Old”, which has expired",
        "SCIM request with an unknown token",
    ]


def test_many_wrong_tokens_have_to_wait_and_do_not_keep_the_right_one_out(admin: User) -> None:
    right = ScimClient(make_token(admin))
    answers = [ScimClient(f"wrong{number}").get("Users") for number in range(12)]
    assert [each.status_code for each in answers] == [401] * 10 + [429] * 2
    assert int(answers[-1]["Retry-After"]) > 0
    assert LogEntry.objects.filter(verb=Verb.SCIM_REFUSED).count() == 10
    assert right.get("Users").status_code == 200


def test_one_token_has_a_limit(admin: User, settings: Any) -> None:
    settings.SCIM_REQUESTS_LIMIT = 2
    client = ScimClient(make_token(admin))
    answers = [client.get("ServiceProviderConfig") for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert answers[-1].json()["detail"].startswith("More than 2 requests")


def test_a_login_is_no_token(boss: Client) -> None:
    assert boss.get("/scim/v2/Users").status_code == 401
