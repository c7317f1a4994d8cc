"""Names of countries by their two letters (ISO 3166-1), for databases that have the letters only.

The names are those of the time zone database, which comes with Python's package tzdata, and MaxMind's where people know
a country by another name.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

KNOWN_AS = {
    "BO": "Bolivia",
    "CD": "DR Congo",
    "CG": "Congo Republic",
    "CI": "Ivory Coast",
    "CZ": "Czechia",
    "GB": "United Kingdom",
    "KP": "North Korea",
    "KR": "South Korea",
    "MF": "Saint Martin",
    "MM": "Myanmar",
    "NL": "The Netherlands",
    "PF": "French Polynesia",
    "SX": "Sint Maarten",
    "TR": "Türkiye",
    "VC": "St Vincent and Grenadines",
    "XK": "Kosovo",  # no code of the standard, but everybody uses it
}


def country_name(code: str) -> str:
    """Return the English name of a country; an empty string for letters that are no country's."""
    return _names().get(code.upper(), "")


@cache
def _names() -> dict[str, str]:
    table = resources.files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    return {row[0]: row[1] for row in rows} | KNOWN_AS
