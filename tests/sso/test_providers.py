"""The setting SSO_PROVIDERS: what is read, what is refused with words, and that no secret is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from sessionadmin.environment import Environment
from sessionadmin.settings.sign_in import sso_providers
from sessions_app.sso import checks
from sessions_app.sso.errors import ProviderUnavailable
from sessions_app.sso.providers import OidcProvider, providers

GOOD = {"issuer": "https://id.example.com", "client_id": "console", "client_secret_env": "SSO_TEST_SECRET"}


def test_a_file_in_toml_and_a_variable_in_json_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "providers.toml"
    file.write_text('[keycloak]\nissuer = "https://id.example.com"\n[keycloak.groups]\n"/a b" = ["Auditors"]\n')
    monkeypatch.setenv("SSO_PROVIDERS_FILE", str(file))
    read = {"keycloak": {"issuer": "https://id.example.com", "groups": {"/a b": ["Auditors"]}}}
    assert sso_providers(Environment()) == read
    monkeypatch.setenv("SSO_PROVIDERS", '{"keycloak": {}}')
    with pytest.raises(ImproperlyConfigured, match="both set"):
        sso_providers(Environment())
    monkeypatch.delenv("SSO_PROVIDERS_FILE")
    assert sso_providers(Environment()) == {"keycloak": {}}
    monkeypatch.delenv("SSO_PROVIDERS")
    assert sso_providers(Environment()) == {}


@pytest.mark.parametrize("content", ["[keycloak", "", None])
def test_a_file_that_cannot_be_read_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    file = tmp_path / "providers.toml"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSO_PROVIDERS_FILE", str(file))
    if content == "":
        assert sso_providers(Environment()) == {}
        return
    with pytest.raises(ImproperlyConfigured, match="Nothing was started"):
        sso_providers(Environment())


@pytest.mark.parametrize("text", ["{", "[]", "7"])
def test_a_variable_that_is_no_json_object_stops_the_start(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SSO_PROVIDERS", text)
    with pytest.raises(ImproperlyConfigured, match="SSO_PROVIDERS"):
        sso_providers(Environment())


@pytest.mark.parametrize(
    ("slug", "change", "words"),
    [
        ("Key Cloak", {}, "lower-case letters"),
        ("a", {"issuer": ""}, "issuer must be a text"),
        ("a", {"issuer": "http://id.example.com"}, "must begin with https://"),
        ("a", {"issuer": "http://127.0.0.1.example.com"}, "must begin with https://"),
        ("a", {"issuer": "https://user:pass@id.example.com"}, "is not the address"),
        ("a", {"issuer": "https://id.example.com/?x"}, "question mark"),
        ("a", {"issuer": "ftp://id.example.com"}, "is not the address"),
        ("a", {"client_id": None}, "client_id must be a text"),
        ("a", {"client_secret_file": "/x"}, "not both"),
        ("a", {"client_secret_env": ""}, "needs client_secret_env or client_secret_file"),
        ("a", {"client_secret": "hunter2"}, "client_secret: no such value"),
        ("a", {"create_accounts": "yes"}, "create_accounts must be true or false"),
        ("a", {"scopes": [1]}, "scopes must be a list of texts"),
        ("a", {"groups": ["x"]}, "groups must map"),
        ("a", {"groups": {"x": 1}}, "must lead to a group"),
        ("a", {"groups_claim": "groups"}, "maps none of its values"),
        ("a", {"kind": "ldap"}, "kind must be"),
    ],
)
def test_a_provider_that_is_described_wrongly_is_reported(
    settings: Any, slug: str, change: dict[str, Any], words: str
) -> None:
    settings.SSO_PROVIDERS = {slug: GOOD | change}
    found = checks.check_providers()
    assert [message.id for message in found] == ["sessions_app.E050"]
    assert words in found[0].msg
    assert "hunter2" not in found[0].msg
    assert providers() == {}


def test_an_issuer_stands_there_once_and_a_missing_secret_is_a_warning(settings: Any) -> None:
    settings.SSO_PROVIDERS = {"a": GOOD, "b": GOOD}
    assert [message.id for message in checks.check_providers()] == ["sessions_app.E051"]
    settings.SSO_PROVIDERS = {"a": GOOD}
    assert checks.check_providers() == []
    assert [message.id for message in checks.check_secrets()] == ["sessions_app.W050"]
    settings.ENCRYPTION_KEYS = []
    assert {message.id for message in checks.check_secrets()} == {"sessions_app.W050", "sessions_app.W051"}


@pytest.mark.django_db
def test_a_group_that_does_not_exist_is_a_warning(settings: Any) -> None:
    settings.SSO_PROVIDERS = {"a": GOOD | {"groups": {"x": ["Auditors", "Nowhere"]}}}
    found = [message for message in run_checks(databases=["default"]) if message.id == "sessions_app.W052"]
    assert len(found) == 1
    assert "Nowhere" in found[0].msg
    assert "Auditors" not in found[0].msg


def test_a_secret_is_read_where_it_is_used_and_shown_nowhere(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2\n")
    monkeypatch.setenv("SSO_TEST_SECRET", "hunter3")
    in_file = {**GOOD, "client_secret_file": str(file)}
    del in_file["client_secret_env"]
    settings.SSO_PROVIDERS = {"a": GOOD, "b": in_file | {"issuer": "https://b.example.com"}}
    known = providers()
    assert [one.client_secret() for one in known.values() if isinstance(one, OidcProvider)] == ["hunter3", "hunter2"]
    assert "hunter" not in repr(known)
    file.unlink()
    with pytest.raises(ProviderUnavailable) as unavailable:
        known["b"].client_secret()  # type: ignore[attr-defined]  # both speak OpenID Connect
    assert str(file) in unavailable.value.detail
