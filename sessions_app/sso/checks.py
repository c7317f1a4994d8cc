"""System checks of the providers of single sign-on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from sessions_app.sealing import problem_of_keys
from sessions_app.sso import saml_package
from sessions_app.sso.errors import ProviderUnavailable
from sessions_app.sso.groups import managed_groups
from sessions_app.sso.providers import Malformed, OidcProvider, SamlProvider, providers, read_provider

HINT = "See docs/sign-in.md#single-sign-on for what a provider needs."


@register
def check_providers(**kwargs: Any) -> list[CheckMessage]:
    """Report E050 for each provider that cannot be used, and E051 for an issuer with several of them."""
    found: list[CheckMessage] = []
    for slug, given in settings.SSO_PROVIDERS.items():
        try:
            read_provider(slug, given)
        except Malformed as error:
            found.append(Error(f"The provider {slug!r} of single sign-on: {error}.", hint=HINT, id="sessions_app.E050"))
    counted = Counter(provider.issuer for provider in providers().values())
    found += [
        Error(
            f"Several providers of single sign-on have the issuer {issuer}.",
            hint="An identity is known by issuer and subject, so an issuer may stand in the settings once only.",
            id="sessions_app.E051",
        )
        for issuer, count in counted.items()
        if count > 1
    ]
    return found


@register
def check_saml(**kwargs: Any) -> list[CheckMessage]:
    """Report E052 for providers that speak SAML while the package for it is missing."""
    named = [provider.slug for provider in providers().values() if isinstance(provider, SamlProvider)]
    if not named or saml_package.is_installed():
        return []
    text = f"Nobody can log in by {', '.join(named)}: {saml_package.MISSING}."
    hint = "Install the extra, or take the providers of the kind saml out of the settings."
    return [Error(text, hint=hint, id="sessions_app.E052")]


@register
def check_secrets(**kwargs: Any) -> list[CheckMessage]:
    """Report W050 for a client secret that cannot be read.

    Where ENCRYPTION_KEYS are missing, report W051, because ID tokens are not kept, and W053 for SAML.
    """
    found: list[CheckMessage] = []
    known = [provider for provider in providers().values() if isinstance(provider, OidcProvider)]
    for provider in known:
        try:
            provider.client_secret()
        except ProviderUnavailable as error:
            text = f"Nobody can log in by {provider.name}: {error.detail}."
            found.append(Warning(text, hint=HINT, id="sessions_app.W050"))
    if any(isinstance(one, SamlProvider) for one in providers().values()) and problem_of_keys(settings.ENCRYPTION_KEYS):
        text = "Requests by SAML are not signed: the console has no key."
        found.append(Warning(text, hint="Set ENCRYPTION_KEYS.", id="sessions_app.W053"))
    if known and problem_of_keys(settings.ENCRYPTION_KEYS):
        text = "ID tokens are not kept, so a logout at the provider may ask the person whom it is about."
        found.append(Warning(text, hint="Set ENCRYPTION_KEYS.", id="sessions_app.W051"))
    return found


@register(Tags.database)
def check_mapped_groups(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report W052 for a group of a mapping that is not there."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        if Group._meta.db_table not in connections[alias].introspection.table_names():
            continue
        for provider in providers().values():
            wanted = managed_groups(provider)
            missing = wanted - set(Group.objects.using(alias).filter(name__in=wanted).values_list("name", flat=True))
            if missing:
                text = f"The provider {provider.slug!r} gives groups that do not exist: {', '.join(sorted(missing))}."
                hint = "Add them, or correct their names. Nobody gets them until then."
                found.append(Warning(text, hint=hint, id="sessions_app.W052"))
    return found
