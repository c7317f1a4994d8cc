"""Linking an account to an account at a provider: by its owner while logged in, or by an administrator."""

from __future__ import annotations

import datetime as dt
import html
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.logins.models import EndReason, LoginSession
from sessions_app.sso.models import Identity
from tests.support.oidc_peer import Peer, PersonAtProvider, come_back, sign_in
from tests.support.pages import elements

LINK = "/accounts/sso/peer/link/"


def text(response: Any) -> str:
    return " ".join(html.unescape(response.content.decode()).split())


def go(client: Client) -> str:
    """Press Link, and return where the page leads to."""
    response = client.post(LINK)
    assert response.status_code == 200
    link = elements(response).find(".//main//a")
    assert link is not None
    refresh = elements(response).find(".//meta[@http-equiv='refresh']")
    assert refresh is not None
    assert refresh.attrib["content"] == f"0;url={link.attrib['href']}"
    return link.attrib["href"]


def test_the_owner_links_while_logged_in_and_logs_in_by_it(as_user: Any, alice: User, provider: Peer) -> None:
    client = as_user(alice)
    assert "Link Peer" in text(client.get("/accounts/sso/"))
    response = come_back(client, PersonAtProvider(provider).answer(go(client), sub="s-1"))
    assert response["Location"] == "/accounts/sso/"
    page = text(client.get("/accounts/sso/"))
    assert "Your account is linked to Peer." in page
    assert "s-1" in page
    assert "Link Peer" not in page
    identity = Identity.objects.get()
    assert (identity.user, identity.linked_by, identity.issuer) == (alice, alice, provider.issuer)
    assert LogEntry.objects.get(verb=Verb.IDENTITY_LINKED).actor == alice
    assert sign_in(Client(), provider).status_code == 302


def test_a_link_needs_a_fresh_factor(as_user: Any, alice: User, provider: Peer) -> None:
    client = as_user(alice)
    LoginSession.objects.update(confirmed_at=timezone.now() - dt.timedelta(minutes=6))
    assert provider.issuer not in client.post(LINK).content.decode()


def test_a_link_needs_the_same_person_at_both_ends(as_user: Any, alice: User, outsider: User, provider: Peer) -> None:
    client = as_user(alice)
    back = PersonAtProvider(provider).answer(go(client), sub="s-1")
    client.force_login(outsider)  # at the same browser, meanwhile
    assert come_back(client, back).status_code == 400
    other = as_user(outsider)
    assert come_back(other, PersonAtProvider(provider).answer(go(client), sub="s-1")).status_code == 400
    assert not Identity.objects.exists()


def test_an_identity_belongs_to_one_account(as_user: Any, alice: User, outsider: User, provider: Peer) -> None:
    Identity.objects.create(user=outsider, issuer=provider.issuer, subject="s-1")
    client = as_user(alice)
    come_back(client, PersonAtProvider(provider).answer(go(client), sub="s-1"))
    assert "linked to another account already. Nothing was changed." in text(client.get("/accounts/sso/"))
    assert Identity.objects.get().user == outsider


def test_a_removed_link_ends_its_logins(as_user: Any, alice: User, outsider: User, provider: Peer) -> None:
    identity = Identity.objects.create(user=alice, issuer=provider.issuer, subject="s-1")
    by_provider, client = Client(), as_user(alice)
    sign_in(by_provider, provider)
    address = f"/accounts/sso/links/{identity.pk}/remove/"
    assert as_user(outsider).post(address).status_code == 404
    assert "can no longer log in to your account" in text(client.get(address))
    assert client.post(address)["Location"] == "/accounts/sso/"
    assert not Identity.objects.exists()
    assert by_provider.get("/logins/").status_code == 302
    assert client.get("/logins/").status_code == 200
    assert LoginSession.objects.get(signed_in_with="provider").end_reason == EndReason.OTHERS
    assert LogEntry.objects.filter(verb=Verb.IDENTITY_UNLINKED, user=alice).exists()
    assert "No account here belongs to you yet" in text(sign_in(by_provider, provider))


def test_an_administrator_links_by_subject(boss: Client, admin: User, alice: User, provider: Peer) -> None:
    page = f"/users/{alice.pk}/sso/"
    assert f'href="{page}"' in boss.get(f"/users/{alice.pk}/").content.decode()
    response = boss.post(page, {"provider": "peer", "subject": "s-1"})
    assert response["Location"] == page
    identity = Identity.objects.get()
    assert (identity.user, identity.linked_by, identity.subject) == (alice, admin, "s-1")
    again = boss.post(page, {"provider": "peer", "subject": "s-1"})
    assert again.status_code == 422
    assert "linked to this account already" in text(again)
    by_provider = Client()
    sign_in(by_provider, provider)
    assert boss.post(page, {"remove": identity.pk})["Location"] == page
    assert "1 login by it ended." in text(boss.get(page))
    assert by_provider.get("/logins/").status_code == 302
    for wrong in ("0", "x", "9" * 30):
        assert boss.post(page, {"remove": wrong}).status_code == 404


def test_only_a_superuser_links_a_superuser(boss: Client, provider: Peer) -> None:
    root = User.objects.create_superuser("root")
    assert boss.post(f"/users/{root.pk}/sso/", {"provider": "peer", "subject": "s-1"}).status_code == 403
    assert not Identity.objects.exists()


@pytest.mark.parametrize("path", ["/accounts/sso/", "/users/{pk}/sso/"])
def test_without_providers_the_pages_say_so(boss: Client, alice: User, path: str) -> None:
    assert "No provider is set up" in text(boss.get(path.format(pk=alice.pk)))
