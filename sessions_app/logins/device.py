"""Describes the device, system and browser of a login by what the browser says. Pure functions.

The description is for people and proves nothing, because every header can be forged. Client hints are preferred to the
User-Agent header, whose versions browsers do not change any more. What the header cannot tell is left open: "Windows 10
or 11", "macOS" or "Android" without a version.

An iPad sends the same header as a Mac, and no hints. Only a script can tell them apart, because no Mac has a touch
screen: the page may set a cookie when `navigator.maxTouchPoints > 1`, which becomes the hint "touch" here. Without it
such an iPad is described as a Mac, unless no Mac has its browser. An iPhone that asks for desktop pages is then
described as an iPad, which asks for them by default.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sessions_app.logins import client_hints
from sessions_app.logins.client_hints import ACCEPT_CH, Hints, hints_from, printable

if TYPE_CHECKING:
    import user_agents

__all__ = ["ACCEPT_CH", "Device", "describe", "hints_from"]

USER_AGENT_LENGTH = 512
NAME_LENGTH = 60
VERSION_LENGTH = 30
UNKNOWN = "Unknown"
IN_APP = "In-app browser"  # a page inside another app

_TV = re.compile(
    r"smart-?tv|apple ?tv|google ?tv|android ?tv|\bhbbtv|\bweb0s\b|webos\.?tv|netcast|nettv|viera|bravia|\bcrkey\b"
    r"|\broku|dtv\b|\btizen\b.*\btv\b|philipstv|\bchromecast\b",
    re.IGNORECASE,
)
_FIRE_TV = re.compile(r"\bAFT[A-Z]{1,8}\d{0,4}(?= Build/|\)|;|$)")  # Amazon's models: AFTT, AFTMM, AFTEU011
_CONSOLE = re.compile(r"xbox|playstation|nintendo", re.IGNORECASE)
_SCRIPT = re.compile(
    r"^(curl|wget|python|httpie|go-http-client|java|okhttp|libwww|php|ruby|node|axios|postman|insomnia|powershell)\b"
    r"|\b(bot|crawler|spider|scanner|nmap|nikto|zgrab|masscan)\b|windowspowershell",
    re.IGNORECASE,
)
# Samsung, Lenovo, Huawei and Amazon tablets by their model names, for browsers that do not say "Tablet".
_TABLET_MODEL = re.compile(
    r"^(SM-[TXP]\d|Lenovo TB|Pixel (Tablet|C)|KF[A-Z]{3,}|MediaPad|Nexus (7|9|10))", re.IGNORECASE
)

# Browsers of iPhones and iPads alone, by their tokens: Chrome, Firefox, Edge, Opera and the Google app. "Mobile/15E148"
# is the part of Apple's web views that desktop pages do not take away.
_IOS_ONLY = re.compile(r"\b(CriOS|FxiOS|EdgiOS|OPiOS|OPT|OPX|GSA)/|\bMobile/\d")

_BROWSER_NAMES = {
    "Apple Mail": IN_APP,  # what the library calls every Mac or iPad that names no browser
    "Mobile Safari UI/WKWebView": IN_APP,
    "MiuiBrowser": "Mi Browser",
    "QQ Browser Mobile": "QQ Browser",
    "DuckDuckGo Mobile": "DuckDuckGo",
    "Microsoft Edge": "Edge",
    "Edge Mobile": "Edge",
    "Google Chrome": "Chrome",
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": "Android WebView",
    "HeadlessChrome": "Headless Chrome",
    "Mobile Safari": "Safari",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "Opera Mobile": "Opera",
    "Samsung Internet": "Samsung Internet",
    "Other": UNKNOWN,
}
_PLAIN = ("Chrome", "Chromium")  # brands that many browsers built on Chromium send
# Names in the header that add nothing to those.
_SAYS_NO_MORE = (*_PLAIN, IN_APP, "Android WebView", "Safari", UNKNOWN)
_SYSTEM_NAMES = {
    "Mac OS X": "macOS",
    "Chromium OS": "Chrome OS",
    "Web0S": "webOS",
    "ATV OS X": "tvOS",
    "Other": UNKNOWN,
}
# The versions at which browsers froze the system in their User-Agent header: they stand for "this or any later one".
_FROZEN = {"macOS": ("10.15", "10.15.7"), "Chrome OS": ("14541", "14541.0.0")}
_ANDROID_REDUCED = re.compile(r"Android 10; K\)")
_WINDOWS_BEFORE_10 = {"0.1": "7", "0.2": "8", "0.3": "8.1"}
# The first match counts for a browser that names several. Headsets, watches and cars have no kind of their own.
_FORM_FACTORS = {
    "Mobile": "Mobile",
    "Tablet": "Tablet",
    "Desktop": "Desktop",
    "TV": "TV",
    "XR": "Other",
    "Watch": "Other",
    "Automotive": "Other",
}


@dataclass(frozen=True)
class Device:
    """A described device.

    `device` is Desktop, Mobile, Tablet, TV, Bot or Other. Names are never empty, versions may be.
    """

    device: str
    os: str
    os_version: str
    browser: str
    browser_version: str


def describe(user_agent: str, hints: Mapping[str, str]) -> Device:
    """Describe the browser behind a User-Agent header and the client hints of `hints_from`. Never raises.

    `hints` may hold "touch": "1" for an iPad (see the module). Parsing takes about a millisecond, so results are
    cached.
    """
    return _describe(printable(user_agent or "", USER_AGENT_LENGTH), tuple(sorted(hints.items())))


def load_patterns() -> Any:
    """Return the library that reads user agents, imported.

    The import compiles 1,600 patterns, which is a fourth of the start of a process. Web processes do it when they start
    (sessionadmin/wsgi.py), other processes only when they need it.
    """
    return importlib.import_module("user_agents")


@lru_cache(maxsize=1024)  # pure, and a millisecond each time
def _describe(user_agent: str, hint_items: tuple[tuple[str, str], ...]) -> Device:
    hints = client_hints.parse(dict(hint_items))
    agent = load_patterns().parse(user_agent)
    is_ipad = _is_ipad_in_disguise(user_agent, hints)
    browser, browser_version = _browser(agent, hints)
    system, system_version = ("iPadOS", _ipados_version(user_agent)) if is_ipad else _system(agent, hints)
    return Device(
        device="Tablet" if is_ipad else _kind(agent, hints),
        os=_truncated(system, NAME_LENGTH),
        os_version=_version(system_version),
        browser=_truncated(browser, NAME_LENGTH),
        browser_version=_version(browser_version),
    )


def _is_ipad_in_disguise(user_agent: str, hints: Hints) -> bool:
    is_macintosh = "(Macintosh;" in user_agent and not hints.platform
    return is_macintosh and (hints.has_touch or _IOS_ONLY.search(user_agent) is not None)


def _ipados_version(user_agent: str) -> str:
    """Return the version of Safari, which is the version of its system.

    Other browsers send a version that never changes (Chrome 11.1.1).
    """
    return "" if _IOS_ONLY.search(user_agent) else _safari_version(user_agent)


def _browser(agent: user_agents.parsers.UserAgent, hints: Hints) -> tuple[str, str]:
    name = _BROWSER_NAMES.get(agent.browser.family, agent.browser.family)
    if hints.brand and not agent.is_bot:
        brand = _BROWSER_NAMES.get(hints.brand, hints.brand)
        # Some browsers, such as Yandex's, call themselves Chrome in their brands and say who they are in the header.
        if brand not in _PLAIN or name in _SAYS_NO_MORE:
            return brand, hints.brand_version
    # An app has no version here; the one in the header is WebKit's.
    return name, "" if name == IN_APP else agent.browser.version_string


def _system(agent: user_agents.parsers.UserAgent, hints: Hints) -> tuple[str, str]:
    family = agent.os.family
    from_agent = _SYSTEM_NAMES.get(family, family)
    if from_agent == "iOS" and "iPad" in agent.device.family:
        from_agent = "iPadOS"
    platform = _SYSTEM_NAMES.get(hints.platform, hints.platform) if hints.platform != UNKNOWN else ""
    if platform == "Windows" and hints.platform_version:
        version = _windows_version(hints.platform_version)
        if version:
            return platform, version
    elif platform and hints.platform_version:
        return platform, hints.platform_version
    if platform and platform != from_agent:
        return platform, ""
    return from_agent, _version_from_agent(from_agent, agent)


def _windows_version(hint: str) -> str:
    """Return the version of Windows.

    The hint has the number of the platform API: 13 and later mean Windows 11.
    """
    major = hint.partition(".")[0]
    if not (major.isascii() and major.isdigit()):
        return ""
    if int(major[:6]) >= 13:
        return "11"
    if int(major[:6]) >= 1:
        return "10"
    return _WINDOWS_BEFORE_10.get(".".join(hint.split(".")[:2]), "")


def _version_from_agent(system: str, agent: user_agents.parsers.UserAgent) -> str:
    version: str = agent.os.version_string
    if system == "Windows" and version == "10":
        return "10 or 11"
    if version in _FROZEN.get(system, ()) or (system == "Android" and _ANDROID_REDUCED.search(agent.ua_string)):
        return ""
    if system in ("iOS", "iPadOS"):
        # Since version 26 Safari says iOS 18 for ever; Safari and its system carry the same number.
        safari = _safari_version(agent.ua_string)
        if _major(safari) >= 26 > _major(version):
            return safari
    return version


def _kind(agent: user_agents.parsers.UserAgent, hints: Hints) -> str:
    text = f"{agent.ua_string} {hints.model}"
    if not agent.ua_string.strip():
        return "Other"
    if agent.is_bot or _SCRIPT.search(agent.ua_string):
        return "Bot"
    if _TV.search(text) or _FIRE_TV.search(text):
        return "TV"
    if _CONSOLE.search(text):
        return "Other"
    for factor, kind in _FORM_FACTORS.items():
        if factor in hints.form_factors:
            return kind
    if _TABLET_MODEL.search(hints.model):
        return "Tablet"
    if hints.is_mobile:
        return "Mobile"
    if hints.platform == "Android" and hints.is_mobile is False:
        return "Tablet"
    return _kind_from_agent(agent)


def _kind_from_agent(agent: user_agents.parsers.UserAgent) -> str:
    if agent.is_tablet or re.search(r"Android[^)]*\bTablet\b", agent.ua_string):
        return "Tablet"
    if agent.is_mobile:
        return "Mobile"
    return "Desktop" if agent.is_pc else "Other"


def _safari_version(user_agent: str) -> str:
    match = re.search(r"\bVersion/(\d{1,4}(?:\.\d{1,4}){0,2})", user_agent)
    return match[1] if match else ""


def _major(version: str) -> int:
    major = version.partition(".")[0]
    return int(major) if major.isascii() and major.isdigit() else 0


def _version(text: str) -> str:
    """Return the version with digits, letters and dots only, and without ".0" at the end: 124.0.0 becomes 124."""
    text = re.sub(r"[^0-9A-Za-z._ -]", "", text)[:VERSION_LENGTH].strip()
    return re.sub(r"(\.0)+$", "", text)


def _truncated(text: str, length: int) -> str:
    return printable(text, length).strip() or UNKNOWN
