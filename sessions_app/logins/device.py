"""What kind of machine, system and browser a login comes from, by what the browser says of itself.

Pure; knows neither requests nor the database. It is a description for people, not proof: every header can be forged.
Client hints win over the User-Agent header, whose versions browsers froze years ago. What a frozen header cannot tell
is left open rather than guessed: "Windows 10 or 11", "macOS" or "Android" without a version.

An iPad says that it is a Macintosh, to the letter, and sends no hints. Only a script can tell: no Mac has a touch
screen. Our page may set a cookie when `navigator.maxTouchPoints > 1`; whoever passes it on as the hint "touch" gets
a tablet. Without it such an iPad is a Mac, unless its browser is one that no Mac has (an iPhone says the same when
somebody asks it for desktop pages; it counts as an iPad, which asks by itself).
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
    "Apple Mail": "Web view",  # what the library calls every Mac or iPad that names no browser
    "Mobile Safari UI/WKWebView": "Web view",
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
# Strongest first, for a browser that names several. Headsets, watches and cars are none of our kinds.
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
    """`device` is Desktop, Mobile, Tablet, TV, Bot or Other; names are never blank, versions may be."""

    device: str
    os: str
    os_version: str
    browser: str
    browser_version: str


def describe(user_agent: str, hints: Mapping[str, str]) -> Device:
    """Describe the browser behind a User-Agent header and the client hints of `hints_from`. Never raises.

    `hints` may hold "touch": "1" for an iPad in disguise (module docstring). A parse costs about a millisecond, so
    answers are kept.
    """
    return _describe(printable(user_agent or "", USER_AGENT_LENGTH), tuple(sorted(hints.items())))


def load_patterns() -> Any:
    """The library that knows user agents. Importing it compiles 1,600 patterns, a fourth of what the start of a process
    takes: web processes do that at their start (sessionadmin/wsgi.py), others only when they must."""
    return importlib.import_module("user_agents")


@lru_cache(maxsize=1024)
def _describe(user_agent: str, hint_items: tuple[tuple[str, str], ...]) -> Device:
    hints = client_hints.parse(dict(hint_items))
    agent = load_patterns().parse(user_agent)
    is_ipad = _is_ipad_in_disguise(user_agent, hints)
    browser, browser_version = _browser(agent, hints)
    system, system_version = ("iPadOS", _ipados_version(user_agent)) if is_ipad else _system(agent, hints)
    return Device(
        device="Tablet" if is_ipad else _kind(agent, hints),
        os=_cut(system, NAME_LENGTH),
        os_version=_version(system_version),
        browser=_cut(browser, NAME_LENGTH),
        browser_version=_version(browser_version),
    )


def _is_ipad_in_disguise(user_agent: str, hints: Hints) -> bool:
    is_macintosh = "(Macintosh;" in user_agent and not hints.platform
    return is_macintosh and (hints.has_touch or _IOS_ONLY.search(user_agent) is not None)


def _ipados_version(user_agent: str) -> str:
    """That of Safari, which carries the number of its system; others send one that stands still (Chrome 11.1.1)."""
    return "" if _IOS_ONLY.search(user_agent) else _safari_version(user_agent)


def _browser(agent: user_agents.parsers.UserAgent, hints: Hints) -> tuple[str, str]:
    if hints.brand and not agent.is_bot:
        return _BROWSER_NAMES.get(hints.brand, hints.brand), hints.brand_version
    name = _BROWSER_NAMES.get(agent.browser.family, agent.browser.family)
    # A web view has no version of its own; what stands there is WebKit's.
    return name, "" if name == "Web view" else agent.browser.version_string


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
    """Windows numbers the hint by releases of its platform API: 13 and later mean Windows 11."""
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
    """Digits, letters and dots only, without ".0" at the end: 124.0.0 is 124."""
    text = re.sub(r"[^0-9A-Za-z._ -]", "", text)[:VERSION_LENGTH].strip()
    return re.sub(r"(\.0)+$", "", text)


def _cut(text: str, length: int) -> str:
    return printable(text, length).strip() or UNKNOWN
