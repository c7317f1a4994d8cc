"""The providers of single sign-on, as the setting SSO_PROVIDERS describes them.

A secret is no field of a provider: it is read where it is used, from the variable or the file that the setting names.
So it never stands in a repr, a log or a traceback, and a new one counts without a restart where it is in a file.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import urlsplit

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from sessions_app.sso.errors import ProviderUnavailable

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,38}", re.ASCII)
EVERYBODY = "*"  # in the mapping of groups: whoever the provider lets in
OIDC, SAML = "oidc", "saml"


class Malformed(ValueError):
    """A provider in the settings cannot be used. The text names the entry, and holds no secret."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Provider:
    """What is common to all providers, whatever they speak. `slug` stands in addresses, `name` on the button."""

    slug: str
    name: str
    kind: str
    issuer: str
    creates_accounts: bool = False
    logs_out_there: bool = True  # a logout here offers the logout at the provider
    username_claim: str = "preferred_username"
    groups_claim: str = ""
    groups_key: str = ""  # of each object, where the claim is a list of objects
    groups: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)  # a group there -> our groups

    @classmethod
    def read(cls, slug: str, entry: Entry) -> Self:
        """Return the provider that an entry of the setting describes. Raise Malformed."""
        return cls(**cls.values(slug, entry))

    @classmethod
    def values(cls, slug: str, entry: Entry) -> dict[str, Any]:
        """Return the values of the fields that all kinds have. Raise Malformed."""
        groups = entry.groups("groups")
        claim = entry.text("groups_claim", "groups" if groups else "")
        if claim and not groups:
            raise Malformed('groups_claim is set, and "groups" maps none of its values to a group of the console')
        return {
            "slug": slug,
            "name": entry.text("name", slug.replace("-", " ").capitalize()),
            "kind": entry.text("kind", OIDC),
            "issuer": entry.text("issuer"),
            "creates_accounts": entry.flag("create_accounts", default=False),
            "logs_out_there": entry.flag("logout", default=True),
            "username_claim": entry.text("username_claim", "preferred_username"),
            "groups_claim": claim,
            "groups_key": entry.text("groups_key", ""),
            "groups": groups,
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class OidcProvider(Provider):
    """A provider that speaks OpenID Connect."""

    client_id: str
    secret_variable: str = ""
    secret_file: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    trusted_audiences: tuple[str, ...] = ()  # besides our client id, in a token that names several
    asks_userinfo: bool = False
    second_factor_amr: frozenset[str] = frozenset()  # one of these counts as the second factor
    second_factor_acr: frozenset[str] = frozenset()
    accepts_untyped_logout: bool = False

    @classmethod
    def values(cls, slug: str, entry: Entry) -> dict[str, Any]:
        """Return the values of all fields. Raise Malformed."""
        found = super().values(slug, entry)
        if problem := problem_of_address(found["issuer"]):
            raise Malformed(f"issuer {problem}")
        found |= {
            "client_id": entry.text("client_id"),
            "secret_variable": entry.text("client_secret_env", ""),
            "secret_file": entry.text("client_secret_file", ""),
            "scopes": tuple(dict.fromkeys(["openid", *entry.words("scopes", ("profile", "email"))])),
            "trusted_audiences": entry.words("trusted_audiences", ()),
            "asks_userinfo": entry.flag("userinfo", default=False),
            "second_factor_amr": frozenset(entry.words("second_factor_amr", ())),
            "second_factor_acr": frozenset(entry.words("second_factor_acr", ())),
            "accepts_untyped_logout": entry.flag("accept_untyped_logout_tokens", default=False),
        }
        if bool(found["secret_variable"]) == bool(found["secret_file"]):
            raise Malformed("needs client_secret_env or client_secret_file, and not both")
        return found

    @sensitive_variables()
    def client_secret(self) -> str:
        """Return the secret. Raise ProviderUnavailable, which names where it should be and never what it is."""
        if self.secret_variable:
            secret, place = os.environ.get(self.secret_variable, ""), f"the variable {self.secret_variable}"
        else:
            place = f"the file {self.secret_file}"
            try:
                secret = Path(self.secret_file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ProviderUnavailable(self.name, f"{place} cannot be read: {type(error).__name__}") from None
        if not secret:
            raise ProviderUnavailable(self.name, f"{place} holds no client secret")
        return secret


@dataclasses.dataclass(frozen=True, kw_only=True)
class SamlProvider(Provider):
    """An identity provider that speaks SAML 2.0. `issuer` is its entity id; claims are its attributes."""

    metadata_url: str = ""
    metadata_file: str = ""
    entity_id: str = ""  # of the console; empty: the address of its metadata
    signs_requests: bool = True
    takes_unasked: bool = False  # logins that begin at the provider
    second_factor_contexts: frozenset[str] = frozenset()  # one of these counts as the second factor
    given_name_claim: str = "givenName"
    family_name_claim: str = "sn"
    email_claim: str = "mail"

    @classmethod
    def values(cls, slug: str, entry: Entry) -> dict[str, Any]:
        """Return the values of all fields. Raise Malformed."""
        found = super().values(slug, entry) | {
            "metadata_url": entry.text("metadata_url", ""),
            "metadata_file": entry.text("metadata_file", ""),
            "entity_id": entry.text("entity_id", ""),
            "signs_requests": entry.flag("sign_requests", default=True),
            "takes_unasked": entry.flag("idp_initiated", default=False),
            "second_factor_contexts": frozenset(entry.words("second_factor_contexts", ())),
            "username_claim": entry.text("username_claim", "uid"),
            "given_name_claim": entry.text("given_name_claim", "givenName"),
            "family_name_claim": entry.text("family_name_claim", "sn"),
            "email_claim": entry.text("email_claim", "mail"),
        }
        if bool(found["metadata_url"]) == bool(found["metadata_file"]):
            raise Malformed("needs metadata_url or metadata_file, and not both")
        if found["metadata_url"] and (problem := problem_of_address(found["metadata_url"].partition("?")[0])):
            raise Malformed(f"metadata_url {problem}")
        return found


KINDS: dict[str, type[Provider]] = {OIDC: OidcProvider, SAML: SamlProvider}


@dataclasses.dataclass
class Entry:
    """One entry of the setting while it is read. Each method raises Malformed for a value of the wrong kind."""

    given: Mapping[str, Any]
    asked: set[str] = dataclasses.field(default_factory=set)

    def text(self, name: str, default: str | None = None) -> str:
        value = self._value(name, default)
        if not isinstance(value, str) or (default is None and not value) or len(value) > 2000:
            raise Malformed(f"{name} must be a text" if name in self.given else f"{name} is missing")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._value(name, default)
        if not isinstance(value, bool):
            raise Malformed(f"{name} must be true or false")
        return value

    def words(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return a list of texts, which may also be written as one text with spaces between."""
        value = self._value(name, default)
        found = value.split() if isinstance(value, str) else value
        if not isinstance(found, list | tuple) or not all(isinstance(one, str) for one in found):
            raise Malformed(f"{name} must be a list of texts")
        return tuple(found)

    def groups(self, name: str) -> Mapping[str, tuple[str, ...]]:
        """Return a mapping from groups of the provider to groups of the console: one, or a list of them."""
        value = self._value(name, {})
        if not isinstance(value, Mapping):
            raise Malformed(f"{name} must map groups of the provider to groups of the console")
        found: dict[str, tuple[str, ...]] = {}
        for theirs, ours in value.items():
            listed = [ours] if isinstance(ours, str) else ours
            if not isinstance(listed, list | tuple) or not all(isinstance(one, str) for one in listed):
                raise Malformed(f"{name}: {theirs!r} must lead to a group of the console, or to a list of groups")
            found[str(theirs)] = tuple(listed)
        return MappingProxyType(found)

    def unknown(self) -> list[str]:
        return sorted(set(self.given) - self.asked)

    def _value(self, name: str, default: Any) -> Any:
        self.asked.add(name)
        return self.given.get(name, default)


def read_provider(slug: str, given: Any) -> Provider:
    """Return the provider of one entry of the setting. Raise Malformed."""
    if not SLUG.fullmatch(slug):
        raise Malformed("its name stands in addresses: lower-case letters, digits and hyphens only")
    if not isinstance(given, Mapping):
        raise Malformed("must be a table of values")
    kind = given.get("kind", OIDC)
    if kind not in KINDS:
        raise Malformed(f"kind must be {' or '.join(sorted(KINDS))}")
    entry = Entry(given)
    provider = KINDS[kind].read(slug, entry)
    if unknown := entry.unknown():
        raise Malformed(f"{', '.join(unknown)}: no such value")
    return provider


def providers() -> dict[str, Provider]:
    """Return the providers that can be used, by slug. Leave out what is malformed: a system check reports it."""
    found = {}
    for slug, given in settings.SSO_PROVIDERS.items():
        try:
            found[slug] = read_provider(slug, given)
        except Malformed:
            continue
    return found


def problem_of_address(url: str) -> str:
    """Return why no request is sent to this address; an empty string if it may be used.

    Plain HTTP is for a provider on this machine only, because tokens travel there.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "is not an address"
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        return "is not the address of a web server"
    if parts.query or parts.fragment:
        return "must not have a question mark or a #"
    if parts.scheme == "http" and not _is_loopback(host):
        return "must begin with https://; http:// is for a provider on this machine only"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
