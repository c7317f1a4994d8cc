"""The browsers of the sample data, with headers of real browsers, described by the product itself."""

from __future__ import annotations

from sessions_app.logins.client_hints import BRANDS, FULL_VERSION_LIST, MOBILE, PLATFORM, PLATFORM_VERSION
from sessions_app.logins.device import Device, describe

_WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"
)
_IOS = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"


def _hints(platform: str, version: str, brand: str, *, is_mobile: bool = False) -> dict[str, str]:
    return {
        BRANDS: f'"Not;A=Brand";v="99", "{brand}";v="139", "Chromium";v="139"',
        MOBILE: "?1" if is_mobile else "?0",
        PLATFORM: f'"{platform}"',
        PLATFORM_VERSION: f'"{version}"',
        FULL_VERSION_LIST: f'"{brand}";v="139.0.7258.66", "Chromium";v="139.0.7258.66"',
    }


# User-Agent header and client hints; Firefox and Safari send no hints.
_SENT: tuple[tuple[str, dict[str, str]], ...] = (
    (f"{_WINDOWS} Edg/139.0.0.0", _hints("Windows", "15.0.0", "Microsoft Edge")),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.5 Safari/605.1.15",
        {},
    ),
    ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0", {}),
    (_WINDOWS, _hints("Windows", "10.0.0", "Google Chrome")),
    (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/139.0.0.0 Mobile Safari/537.36",
        _hints("Android", "15.0.0", "Google Chrome", is_mobile=True),
    ),
    (f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {_IOS}", {}),
    (f"Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) {_IOS}", {}),
    (
        "Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/24.0 "
        "Chrome/108.0.5359.1 TV Safari/537.36",
        {},
    ),
)
BROWSERS: tuple[tuple[str, Device], ...] = tuple((agent, describe(agent, hints)) for agent, hints in _SENT)
