"""Reads the headers of User-Agent Client Hints. Pure functions.

Browsers no longer change their User-Agent header, and report their real version only here: over HTTPS or on localhost,
and after a response has asked with `Accept-CH`. Formats: RFC 8941 lists and strings; WICG "User-Agent Client Hints".
Firefox and Safari send none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MOBILE = "Sec-CH-UA-Mobile"
PLATFORM = "Sec-CH-UA-Platform"
PLATFORM_VERSION = "Sec-CH-UA-Platform-Version"
BRANDS = "Sec-CH-UA"
FULL_VERSION_LIST = "Sec-CH-UA-Full-Version-List"
FORM_FACTORS = "Sec-CH-UA-Form-Factors"
MODEL = "Sec-CH-UA-Model"
TOUCH = "touch"  # not a header, but a cookie of our page for a Mac with a touch screen; see device.py

# Browsers send the first three without being asked.
ASKED_FOR = (PLATFORM_VERSION, FULL_VERSION_LIST, FORM_FACTORS, MODEL)
HEADERS = (BRANDS, MOBILE, PLATFORM, *ASKED_FOR)
ACCEPT_CH = ", ".join(ASKED_FOR)

VALUE_LENGTH = 512
_STRING = r'"((?:[^"\\]|\\.)*)"'
_BRAND = re.compile(_STRING + r'\s*;\s*v\s*=\s*"((?:[^"\\]|\\.)*)"')
_ITEM = re.compile(_STRING)
# Brand names from the most general to the most specific, because browsers built on Chromium also name Chromium.
_PLAIN_BRANDS = ("Chromium", "Google Chrome", "Android WebView")


@dataclass(frozen=True)
class Hints:
    """What a browser reported. An empty string or None means that it did not say."""

    platform: str = ""
    platform_version: str = ""
    is_mobile: bool | None = None
    brand: str = ""
    brand_version: str = ""
    form_factors: tuple[str, ...] = ()
    model: str = ""
    has_touch: bool = False


def hints_from(meta: Mapping[str, str]) -> dict[str, str]:
    """Return the client hints among the headers of a request (`request.META`), by header name."""
    found = {}
    for header in HEADERS:
        value = meta.get("HTTP_" + header.upper().replace("-", "_"), "")
        if value:
            found[header] = printable(value, VALUE_LENGTH)
    return found


def parse(hints: Mapping[str, str]) -> Hints:
    """Return the values of such headers. Never raises: a malformed value counts as missing."""
    by_name = {name.lower(): printable(str(value), VALUE_LENGTH) for name, value in hints.items()}
    brand, brand_version = _brand(by_name.get(FULL_VERSION_LIST.lower(), "") or by_name.get(BRANDS.lower(), ""))
    return Hints(
        platform=_string(by_name.get(PLATFORM.lower(), "")),
        platform_version=_string(by_name.get(PLATFORM_VERSION.lower(), "")),
        is_mobile={"?1": True, "?0": False}.get(by_name.get(MOBILE.lower(), "").strip()),
        brand=brand,
        brand_version=brand_version,
        form_factors=tuple(_ITEM.findall(by_name.get(FORM_FACTORS.lower(), ""))),
        model=_string(by_name.get(MODEL.lower(), "")),
        has_touch=by_name.get(TOUCH, "").strip() in ("1", "true"),
    )


def printable(text: str, length: int) -> str:
    """Return `text` without unprintable characters, cut to `length` characters."""
    return "".join(c for c in text[:length] if c.isprintable())


def _string(value: str) -> str:
    value = value.strip()
    match = _ITEM.fullmatch(value)
    return (match[1] if match else "" if '"' in value else value).strip()


def _brand(value: str) -> tuple[str, str]:
    brands = [(name.strip(), version) for name, version in _BRAND.findall(value) if not _is_grease(name)]
    if not brands:
        return "", ""
    return max(brands, key=lambda brand: _PLAIN_BRANDS.index(brand[0]) if brand[0] in _PLAIN_BRANDS else 99)


def _is_grease(name: str) -> bool:
    """Return whether this is a brand that browsers add to test parsers, such as "Not)A;Brand"."""
    return re.sub("[^a-z]", "", name.lower()) in ("notabrand", "notanybrand", "")
