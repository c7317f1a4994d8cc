"""Logging in by a real provider of OpenID Connect: who gets in, as whom, with which roles, and what the log keeps."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.logins.models import EndReason, LoginSession, Method, SecondFactor
from sessions_app.privileged.flows.account import lock_account
from sessions_app.sso.arrival import Arrival, _create_account, _new_user
from sessions_app.sso.errors import SignOnFailed
from sessions_app.sso.models import Identity, ProviderLogin
from sessions_app.sso.providers import providers
from tests.support.builders import make_application
from tests.support.factors import code_of, give_app
from tests.support.oidc_peer import CLIENT_SECRET, Peer, PersonAtProvider, come_back, sign_in

CALLBACK = "/accounts/sso/peer/callback/"


def linked(user: User, peer: Peer, subject: str = "s-1") -> Identity:
    return Identity.objects.create(user=user, provider="peer", issuer=peer.issuer, subject=subject)


def text(response: Any) -> str:
    return " ".join(html.unescape(response.content.decode()).split())


def test_a_linked_account_is_logged_in_with_a_login_session(client: Client, alice: User, provider: Peer) -> None:
    identity = linked(alice, provider)
    response = sign_in(client, provider, next_url="/logins/")
    assert response["Location"] == "/logins/"
    login = LoginSession.objects.get()
    assert (login.user, login.signed_in_with, login.provider) == (alice, Method.PROVIDER, "Peer")
    assert login.second_factor == ""
    begun = ProviderLogin.objects.get()
    assert (begun.login, begun.identity, begun.subject) == (login, identity, "s-1")
    assert begun.session_id
    assert begun.id_token.startswith("sealed1:")
    identity.refresh_from_db()
    assert identity.last_login_at is not None
    assert client.get("/logins/").status_code == 200
    LoginSession.objects.update(ended_at=login.created_at, end_reason=EndReason.FORCED)
    assert client.get("/logins/").status_code == 302  # the very next request is a stranger's


def test_the_request_to_the_provider_has_pkce_state_and_nonce(client: Client, provider: Peer) -> None:
    asked = [parse_qs(urlsplit(client.get("/accounts/sso/peer/login/")["Location"]).query) for _ in range(2)]
    for query in asked:
        assert query["code_challenge_method"] == ["S256"]
        assert query["response_type"] == ["code"]
        assert query["scope"] == ["openid profile email"]
        assert query["redirect_uri"] == ["http://testserver/accounts/sso/peer/callback/"]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name][0]) >= 43


def test_nobody_is_found_by_name_or_address(client: Client, alice: User, provider: Peer) -> None:
    provider.configure(accounts={"s-2": {"preferred_username": "alice", "email": alice.email, "email_verified": True}})
    response = sign_in(client, provider, "s-2")
    assert response.status_code == 403
    assert "No account here belongs to you yet" in text(response)
    assert not LoginSession.objects.exists()
    entry = LogEntry.objects.get(verb=Verb.LOGIN_FAILED)
    assert "“s-2”" in entry.message


def test_an_account_is_made_at_the_first_login_where_the_provider_may(
    client: Client, alice: User, provider: Peer, settings: Any
) -> None:
    settings.SSO_PROVIDERS = provider.settings(create_accounts=True)
    provider.configure(
        accounts={
            "s-3": {"preferred_username": "carol", "given_name": "Carol", "email": "carol@example.com"},
            "s-4": {"preferred_username": "alice"},
            "s-5": {"preferred_username": "no blanks"},
        }
    )
    assert sign_in(client, provider, "s-3").status_code == 302
    carol = User.objects.get(username="carol")
    assert (carol.first_name, carol.email, carol.has_usable_password()) == ("Carol", "carol@example.com", False)
    assert LogEntry.objects.filter(verb=Verb.IDENTITY_LINKED, user=carol).count() == 1
    assert sign_in(Client(), provider, "s-3").status_code == 302
    assert User.objects.filter(username="carol").count() == 1
    for subject, words in (("s-4", "Your user name is taken here"), ("s-5", "No account could be made")):
        assert words in text(sign_in(Client(), provider, subject))
    assert User.objects.count() == 2


def test_locked_disabled_and_applications_stay_out(client: Client, admin: User, alice: User, provider: Peer) -> None:
    linked(alice, provider)
    lock_account(admin, alice, title="Under review")
    assert "Under review" in text(sign_in(client, provider))
    linked(make_application().principal, provider, "s-6")
    assert "disabled" in text(sign_in(Client(), provider, "s-6"))
    admin.is_active = False
    admin.save()
    linked(admin, provider, "s-7")
    assert "disabled" in text(sign_in(Client(), provider, "s-7"))
    assert not LoginSession.objects.exists()
    assert LogEntry.objects.filter(verb=Verb.LOGIN_FAILED).count() == 3


@pytest.mark.parametrize(
    ("claims", "setting"),
    [
        ({"groups": ["ops", "others"]}, {}),
        ({"groups": "ops"}, {}),
        ({"groups": [{"display": "ops"}]}, {"groups_key": "display"}),
        ({"realm_access": {"roles": ["ops"]}}, {"groups_claim": "realm_access.roles"}),
    ],
)
def test_groups_of_the_provider_give_and_take_roles(
    client: Client, alice: User, provider: Peer, settings: Any, claims: dict[str, Any], setting: dict[str, Any]
) -> None:
    linked(alice, provider)
    Group.objects.create(name="Linux team").user_set.add(alice)
    own = Group.objects.create(name="Book club")
    own.user_set.add(alice)
    mapping = {"ops": ["Administrators", "No such group"], "linux": "Linux team"}
    settings.SSO_PROVIDERS = provider.settings(groups=mapping, **setting)
    provider.configure(accounts={"s-1": claims})
    assert sign_in(client, provider).status_code == 302
    assert sorted(alice.groups.values_list("name", flat=True)) == ["Administrators", "Book club"]
    changes = LogEntry.objects.filter(target_id=alice.pk, target_type="auth.user").values_list("message", flat=True)
    assert any("Administrators" in message for message in changes)
    assert any("Linux team" in message for message in changes)


def test_a_claim_that_is_not_there_changes_no_group(client: Client, alice: User, provider: Peer, settings: Any) -> None:
    linked(alice, provider)
    alice.groups.add(Group.objects.get(name="Auditors"))
    settings.SSO_PROVIDERS = provider.settings(groups={"auditors": "Auditors"})
    provider.configure(accounts={"s-1": {}})
    assert sign_in(client, provider).status_code == 302
    assert alice.groups.count() == 1


def test_whoever_loses_the_last_role_is_refused(client: Client, alice: User, provider: Peer, settings: Any) -> None:
    linked(alice, provider)
    alice.groups.add(Group.objects.get(name="Auditors"))
    settings.SSO_PROVIDERS = provider.settings(groups={"auditors": "Auditors"}, create_accounts=True)
    provider.configure(accounts={"s-1": {"groups": []}, "s-8": {"groups": ["x"], "preferred_username": "dora"}})
    for subject in ("s-1", "s-1", "s-8"):
        response = sign_in(Client(), provider, subject)
        assert response.status_code == 403
        assert "Peer gives you no role here" in text(response)
    assert not alice.groups.exists()
    assert not LoginSession.objects.exists()
    assert not User.objects.filter(username="dora").exists()
    settings.SSO_PROVIDERS = provider.settings(groups={"auditors": "Auditors", "*": []})
    assert sign_in(client, provider).status_code == 302  # everybody may be a user


def test_factors_of_the_provider_count_by_setting(client: Client, alice: User, provider: Peer, settings: Any) -> None:
    linked(alice, provider)
    assert sign_in(Client(), provider, amr="pwd mfa").status_code == 302
    settings.SSO_PROVIDERS = provider.settings(second_factor_amr=["mfa"], second_factor_acr=["urn:two"])
    assert sign_in(Client(), provider, amr="pwd mfa").status_code == 302
    assert sign_in(Client(), provider, amr="pwd").status_code == 302
    factors = LoginSession.objects.order_by("pk").values_list("second_factor", flat=True)
    assert list(factors) == ["", SecondFactor.PROVIDER, ""]


def test_an_answer_counts_once_and_in_its_own_browser(client: Client, alice: User, provider: Peer) -> None:
    linked(alice, provider)
    address = client.get("/accounts/sso/peer/login/")["Location"]
    back = PersonAtProvider(provider).answer(address, sub="s-1")
    victim = Client()
    assert come_back(victim, back).status_code == 400
    assert "too old" in text(come_back(victim, back))
    assert come_back(client, back).status_code == 302
    assert come_back(client, back).status_code == 400
    assert LoginSession.objects.count() == 1


def test_an_answer_of_another_provider_is_refused(client: Client, alice: User, provider: Peer, settings: Any) -> None:
    linked(alice, provider)
    settings.SSO_PROVIDERS = {**provider.settings(), "other": provider.settings()["peer"]}
    query = urlsplit(PersonAtProvider(provider).answer(client.get("/accounts/sso/peer/login/")["Location"], sub="s-1"))
    assert client.get(f"/accounts/sso/other/callback/?{query.query}").status_code == 400
    named = {key: value[0] for key, value in parse_qs(query.query).items()}
    assert named["iss"] == provider.issuer
    for issuer in ("https://evil.example.com", ""):
        state = parse_qs(urlsplit(client.get("/accounts/sso/peer/login/")["Location"]).query)["state"][0]
        response = client.get(CALLBACK, named | {"iss": issuer, "state": state})
        assert response.status_code == 403
        assert "was not accepted" in text(response)
    assert not LoginSession.objects.exists()


def test_a_code_without_its_verifier_is_refused(client: Client, alice: User, provider: Peer) -> None:
    linked(alice, provider)
    stolen = PersonAtProvider(provider).answer(Client().get("/accounts/sso/peer/login/")["Location"], sub="s-1")
    named = {key: value[0] for key, value in parse_qs(urlsplit(stolen).query).items()}
    state = parse_qs(urlsplit(client.get("/accounts/sso/peer/login/")["Location"]).query)["state"][0]
    response = client.get(CALLBACK, named | {"state": state})
    assert response.status_code == 403
    assert "invalid_grant" in LogEntry.objects.get(verb=Verb.LOGIN_FAILED).message


def test_the_keys_of_the_provider_may_change_at_any_time(alice: User, provider: Peer) -> None:
    linked(alice, provider)
    assert sign_in(Client(), provider).status_code == 302
    provider.configure(rotate=True)
    assert sign_in(Client(), provider).status_code == 302
    provider.configure(rotate=True)
    assert sign_in(Client(), provider).status_code == 403  # whoever sends unknown keys makes no request each time
    cache.clear()
    assert sign_in(Client(), provider).status_code == 302


def test_whoever_breaks_off_comes_back_to_the_login_page(client: Client, provider: Peer) -> None:
    response = sign_in(client, provider, abort="1")
    assert response["Location"] == "/accounts/login/"
    assert "The login at Peer was broken off." in text(client.get("/accounts/login/"))


def test_a_provider_that_is_down_leaves_the_password(
    client: Client, alice: User, provider: Peer, settings: Any
) -> None:
    settings.SSO_PROVIDERS = {"peer": {**provider.settings()["peer"], "issuer": "http://127.0.0.1:9"}}
    response = client.get("/accounts/sso/peer/login/")
    assert response.status_code == 503
    assert "Peer cannot be reached at the moment" in text(response)
    assert "Log in with Peer" in text(client.get("/accounts/login/"))
    sent = {"username": "alice", "password": "correct horse battery staple"}
    assert client.post("/accounts/login/", sent).status_code == 302


@pytest.mark.parametrize("next_url", ["https://evil.example.com/", "//evil.example.com", "javascript:alert(1)"])
def test_a_login_leads_to_pages_of_the_console_only(client: Client, alice: User, provider: Peer, next_url: str) -> None:
    linked(alice, provider)
    assert sign_in(client, provider, next_url=next_url)["Location"] == "/"


def test_a_link_on_another_site_begins_no_login(client: Client, provider: Peer) -> None:
    response = client.get("/accounts/sso/peer/login/", headers={"Sec-Fetch-Site": "cross-site"})
    assert response["Location"] == "/accounts/login/"


def test_somebody_else_at_the_same_browser_ends_the_login_before(
    client: Client, alice: User, outsider: User, provider: Peer
) -> None:
    linked(alice, provider)
    linked(outsider, provider, "s-9")
    sign_in(client, provider)
    sign_in(client, provider, "s-9")
    first, second = LoginSession.objects.order_by("pk")
    assert (first.is_live, second.is_live, second.user, second.provider) == (False, True, outsider, "Peer")


def test_no_secret_and_no_token_stands_in_the_log(
    client: Client, alice: User, provider: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    linked(alice, provider)
    sign_in(client, provider)
    provider.configure(rotate=True)
    sign_in(Client(), provider)
    sign_in(Client(), provider)
    written = caplog.text + str(list(LogEntry.objects.values_list("message", "details")))
    assert CLIENT_SECRET not in written
    assert "eyJ" not in written
    assert "eyJ" not in str(dict(client.session.items()))


def test_a_second_factor_of_the_console_is_asked_for_unless_the_provider_has_asked(
    client: Client, alice: User, provider: Peer, settings: Any
) -> None:
    linked(alice, provider)
    secret = give_app(alice)
    response = sign_in(client, provider, next_url="/logins/")
    assert response["Location"] == "/accounts/2fa/authenticate/"
    assert not LoginSession.objects.exists()
    assert client.get("/logins/").status_code == 302
    assert client.post(response["Location"], {"code": code_of(secret)})["Location"] == "/logins/"
    login = LoginSession.objects.get()
    assert (login.signed_in_with, login.provider, login.second_factor) == (Method.PROVIDER, "Peer", SecondFactor.TOTP)
    assert ProviderLogin.objects.get().login == login
    settings.SSO_PROVIDERS = provider.settings(second_factor_amr=["mfa"])
    assert sign_in(Client(), provider, next_url="/logins/", amr="mfa")["Location"] == "/logins/"


def test_a_name_that_looks_like_another_is_that_other(admin: User, settings: Any) -> None:
    settings.SSO_PROVIDERS = {"p": {"issuer": "https://i.example.com", "client_id": "x", "client_secret_env": "X"}}
    who = Arrival(issuer="https://i.example.com", subject="s", claims={"preferred_username": "ａｄｍｉｎ"})
    with pytest.raises(SignOnFailed, match="Your user name is taken here"):
        _new_user(providers()["p"], who, "Somebody")


def test_of_two_people_with_one_name_at_the_same_moment_one_is_refused_in_words(
    admin: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"issuer": "https://i.example.com", "client_id": "x", "client_secret_env": "X", "create_accounts": True}
    settings.SSO_PROVIDERS = {"p": entry}
    first = User(username="admin")  # the name was free when it was looked for
    first.set_unusable_password()
    monkeypatch.setattr("sessions_app.sso.arrival._new_user", lambda *given: first)
    who = Arrival(issuer="https://i.example.com", subject="s", claims={"preferred_username": "admin"})
    with pytest.raises(SignOnFailed, match="Your user name is taken here"):
        _create_account(providers()["p"], who)
    assert not Identity.objects.exists()
