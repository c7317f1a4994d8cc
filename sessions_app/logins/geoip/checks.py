"""System checks for the GeoIP file and the trusted proxies, on which the locations of logins depend.

Importing the module registers them (wiring.py). Each message says what to do.
"""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning, register

from sessions_app.logins.client_ip import invalid_networks, networks_of_everybody
from sessions_app.logins.geoip import asn_file
from sessions_app.logins.geoip.file import GeoipFileError, try_out


@register(deploy=True)
def check_for_geoip_database(**kwargs: object) -> list[CheckMessage]:
    """Report W001 if no file is configured.

    It is information only, so not every start says it: `check --deploy`, `doctor` and the page Health do.
    """
    if settings.GEOIP_DATABASE:
        return []
    return [
        Info(
            "There is no GeoIP database: the locations of logins will say Unknown.",
            hint="Get one with: sessionadmin geoip_update, or set GEOIP_DATABASE to one you have "
            "(docs/geoip.md#getting-a-database).",
            id="sessions_app.W001",
        )
    ]


@register()
def check_geoip_database(**kwargs: object) -> list[CheckMessage]:
    """Report W002 if the file that is configured cannot be used."""
    path = settings.GEOIP_DATABASE
    if not path:
        return []
    try:
        try_out(Path(path))
    except GeoipFileError as error:
        return [
            Warning(
                f"GEOIP_DATABASE {path} is refused: {error}. The locations of logins will say Unknown.",
                hint="Get a good one with: sessionadmin geoip_update (docs/geoip.md#getting-a-database).",
                id="sessions_app.W002",
            )
        ]
    return []


@register()
def check_asn_database(**kwargs: object) -> list[CheckMessage]:
    """Report W018 if the file of networks that is configured cannot be used."""
    path = settings.GEOIP_ASN_DATABASE
    if not path:
        return []
    try:
        asn_file.try_out(Path(path))
    except GeoipFileError as error:
        return [
            Warning(
                f"GEOIP_ASN_DATABASE {path} is refused: {error}. The networks of logins will say nothing.",
                hint="Get a good one, or leave it out (docs/geoip.md#networks).",
                id="sessions_app.W018",
            )
        ]
    return []


@register()
def check_home_country(**kwargs: object) -> list[CheckMessage]:
    """Report a home country that is not written as two letters, and so would make every login one from abroad."""
    country = settings.HOME_COUNTRY
    if not country or (len(country) == 2 and country.isascii() and country.isalpha()):
        return []
    return [
        Error(
            f"HOME_COUNTRY {country} is not the two letters of a country.",
            hint="Write it as in ISO 3166-1, such as CH or DE, or leave it out.",
            id="sessions_app.E012",
        )
    ]


@register()
def check_trusted_proxies(**kwargs: object) -> list[CheckMessage]:
    """Report E011 for an entry of TRUSTED_PROXIES that is no network, and W011 for one that trusts everybody."""
    messages: list[CheckMessage] = [
        Error(
            f"TRUSTED_PROXIES: {entry!r} is neither a network in CIDR notation nor an address nor 'unix'.",
            hint="Name the addresses of your own proxies: TRUSTED_PROXIES=10.0.0.5,10.1.0.0/24",
            id="sessions_app.E011",
        )
        for entry in invalid_networks(settings.TRUSTED_PROXIES)
    ]
    messages += [
        Warning(
            f"TRUSTED_PROXIES: {entry} trusts everybody, so that anybody can claim any address.",
            hint="Name the addresses of your own proxies only.",
            id="sessions_app.W011",
        )
        for entry in networks_of_everybody(settings.TRUSTED_PROXIES)
    ]
    return messages
