"""The login list names device, system and browser as they are, not as frozen headers claim."""

import dataclasses
import random

import pytest
from django.db.models import CharField

from sessions_app.logins.device import ACCEPT_CH, Device, describe, hints_from
from sessions_app.logins.models import LoginSession

WINDOWS_CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36"
)
LINUX_CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36"
MAC_CHROME = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 "
    "Safari/537.36"
)
MAC_SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1 "
    "Safari/605.1.15"
)
ANDROID_CHROME = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36"
)
ANDROID_CHROME_LARGE = ANDROID_CHROME.replace(" Mobile", "")
BRANDS = '"Chromium";v="124.0.6367.91", "Google Chrome";v="124.0.6367.91", "Not-A.Brand";v="99.0.0.0"'


def hints(platform: str = "", version: str = "", **more: str) -> dict[str, str]:
    """Return client hints as they are read from a request's headers."""
    headers = {"SEC_CH_UA_PLATFORM": f'"{platform}"', "SEC_CH_UA_PLATFORM_VERSION": f'"{version}"', **more}
    return hints_from({f"HTTP_{name}": value for name, value in headers.items()})


def chromium(*brands: str) -> dict[str, str]:
    return hints("Windows", "15.0.0", SEC_CH_UA_FULL_VERSION_LIST=", ".join(brands))


@pytest.mark.parametrize(
    ("platform_version", "shown"),
    [
        ("15.0.0", "11"),
        ("13.0.0", "11"),
        ("10.0.0", "10"),
        ("1.0.0", "10"),
        ("0.3.0", "8.1"),
        ("0.2.0", "8"),
        ("0.1.0", "7"),
    ],
)
def test_windows_is_told_apart_by_its_platform_version(platform_version: str, shown: str) -> None:
    device = describe(WINDOWS_CHROME, hints("Windows", platform_version))
    assert (device.device, device.os, device.os_version) == ("Desktop", "Windows", shown)


@pytest.mark.parametrize("platform_version", ["", "eleven", "0.0.0", "²"])
def test_windows_without_a_usable_hint_is_not_guessed(platform_version: str) -> None:
    assert describe(WINDOWS_CHROME, {}).os_version == "10 or 11"
    assert describe(WINDOWS_CHROME, hints("Windows", platform_version)).os_version == "10 or 11"


def test_full_versions_replace_the_reduced_ones() -> None:
    device = describe(WINDOWS_CHROME, chromium(*BRANDS.split(", ")))
    assert device == Device("Desktop", "Windows", "11", "Chrome", "124.0.6367.91")


@pytest.mark.parametrize(
    ("brand", "name"),
    [
        ("Microsoft Edge", "Edge"),
        ("Opera", "Opera"),
        ("Opera GX", "Opera GX"),
        ("Brave", "Brave"),
        ("Vivaldi", "Vivaldi"),
        ("Google Chrome", "Chrome"),
    ],
)
def test_the_telling_brand_wins_wherever_it_stands_in_the_list(brand: str, name: str) -> None:
    wanted, chrome, grease = f'"{brand}";v="7.8.9"', '"Chromium";v="124.0.1"', '" Not A;Brand";v="8"'
    for order in ([wanted, chrome, grease], [grease, chrome, wanted], [chrome, grease, wanted]):
        device = describe(WINDOWS_CHROME, chromium(*order))
        assert (device.browser, device.browser_version) == (name, "7.8.9")


@pytest.mark.parametrize(
    "grease", ["Not A;Brand", " Not A;Brand", "Not)A;Brand", "Not/A)Brand", "Not?A_Brand", "Not_A Brand", "Not-A.Brand"]
)
def test_the_nonsense_brand_is_never_shown(grease: str) -> None:
    assert describe(WINDOWS_CHROME, chromium(f'"{grease}";v="99"', '"Chromium";v="124.0.1"')).browser == "Chromium"
    assert describe(WINDOWS_CHROME, chromium(f'"{grease}";v="99"')).browser == "Chrome"


def test_android_shows_its_real_version_not_the_frozen_ten() -> None:
    assert describe(ANDROID_CHROME, {}).os_version == ""
    device = describe(ANDROID_CHROME, hints("Android", "14.0.0", SEC_CH_UA_MOBILE="?1"))
    assert (device.device, device.os, device.os_version) == ("Mobile", "Android", "14")


def test_macos_shows_no_version_rather_than_the_frozen_one() -> None:
    assert (describe(MAC_SAFARI, {}).os, describe(MAC_SAFARI, {}).os_version) == ("macOS", "")
    assert describe(MAC_CHROME, hints("macOS", "15.3.1")).os_version == "15.3.1"


def test_linux_has_no_version() -> None:
    device = describe(LINUX_CHROME, hints("Linux", ""))
    assert (device.device, device.os, device.os_version) == ("Desktop", "Linux", "")


def test_an_ipad_that_says_it_is_a_mac_is_known_only_by_its_touch_screen() -> None:
    assert describe(MAC_SAFARI, {}).device == "Desktop"
    assert describe(MAC_SAFARI, {"touch": "1"}) == Device("Tablet", "iPadOS", "17.4.1", "Safari", "17.4.1")
    assert describe(MAC_SAFARI, {"touch": "0"}).os == "macOS"
    assert describe(MAC_CHROME, {**hints("macOS", "15.3.1"), "touch": "1"}).device == "Desktop"
    assert describe(WINDOWS_CHROME, {"touch": "1"}).device == "Desktop"


IPAD_AS_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
TOUCH = {"touch": "1"}


@pytest.mark.parametrize("hint", [TOUCH, {}], ids=["touch", "none"])
@pytest.mark.parametrize(
    ("tail", "browser", "version"),
    [
        ("CriOS/124 Version/11.1.1 Safari/605.1.15", "Chrome", "124"),
        ("CriOS/124.0.6367.88 Safari/605.1.15", "Chrome", "124.0.6367"),
        ("FxiOS/125.0 Safari/605.1.15", "Firefox", "125"),
        ("Version/17.0 EdgiOS/124.0.2478.50 Safari/605.1.15", "Edge", "124.0.2478"),
        ("OPiOS/16.0.15.124050 Safari/605.1.15", "Opera Mini", "16.0.15"),
        ("Version/17.4 Safari/605.1.15 OPT/4.5.0", "Opera Touch", "4.5"),
        ("Version/17.4 Safari/605.1.15 OPX/2.4.4", "Opera GX", "2.4.4"),
        ("GSA/311.0.625 Safari/605.1.15", "Safari", ""),
        ("Mobile/15E148", "In-app browser", ""),
        ("Mobile/15E148 [FBAN/FBIOS;FBAV/455.0]", "Facebook", "455"),
    ],
)
def test_an_ipad_that_asks_for_desktop_pages_is_known_by_a_browser_that_no_mac_has(
    tail: str, browser: str, version: str, hint: dict[str, str]
) -> None:
    assert describe(IPAD_AS_MAC + tail, hint) == Device("Tablet", "iPadOS", "", browser, version)


@pytest.mark.parametrize(
    ("tail", "browser", "version"),
    [
        ("Version/17.4.1 Safari/605.1.15", "Safari", "17.4.1"),
        ("Version/17.4.1 Safari/605.1.15 Ddg/17.4", "DuckDuckGo", "17.4"),
        ("Version/17.4.1 Brave/1.64 Safari/605.1.15", "Brave", "1.64"),
        ("Version/17.4.1 Safari/605.1.15 Vivaldi/6.7", "Vivaldi", "6.7"),
        ("Version/17.4.1 YaBrowser/24.4.0 Safari/605.1.15", "Yandex Browser", "24.4"),
    ],
)
def test_a_browser_that_a_mac_has_too_is_on_an_ipad_where_there_is_touch(tail: str, browser: str, version: str) -> None:
    assert describe(IPAD_AS_MAC + tail, TOUCH) == Device("Tablet", "iPadOS", "17.4.1", browser, version)
    assert describe(IPAD_AS_MAC + tail, {}) == Device("Desktop", "macOS", "", browser, version)


def test_a_web_view_is_called_one_and_has_no_version() -> None:
    view = IPAD_AS_MAC.strip()
    assert describe(view, {}) == Device("Desktop", "macOS", "", "In-app browser", "")
    assert describe(view, TOUCH) == Device("Tablet", "iPadOS", "", "In-app browser", "")
    ipad = view.replace("Macintosh; Intel Mac OS X 10_15_7", "iPad; CPU OS 17_4 like Mac OS X")
    assert describe(f"{ipad} Mobile/15E148", {}) == Device("Tablet", "iPadOS", "17.4", "In-app browser", "")
    iphone = view.replace("Macintosh; Intel Mac OS X 10_15_7", "iPhone; CPU iPhone OS 17_4 like Mac OS X")
    assert describe(f"{iphone} Mobile/15E148", TOUCH) == Device("Mobile", "iOS", "17.4", "In-app browser", "")


def test_an_iphone_and_an_ipad_that_ask_for_their_own_pages_are_as_ever() -> None:
    ipad = IPAD_AS_MAC.replace("Macintosh; Intel Mac OS X 10_15_7", "iPad; CPU OS 17_4 like Mac OS X")
    iphone = IPAD_AS_MAC.replace("Macintosh; Intel Mac OS X 10_15_7", "iPhone; CPU iPhone OS 17_4 like Mac OS X")
    for tail, browser, version in (
        ("CriOS/124.0.6367.88 Mobile/15E148 Safari/604.1", "Chrome", "124.0.6367"),
        ("FxiOS/125.0 Mobile/15E148 Safari/605.1.15", "Firefox", "125"),
        ("Version/17.0 EdgiOS/124.0.2478.50 Mobile/15E148 Safari/604.1", "Edge", "124.0.2478"),
    ):
        assert describe(ipad + tail, TOUCH) == Device("Tablet", "iPadOS", "17.4", browser, version)
        assert describe(iphone + tail, TOUCH) == Device("Mobile", "iOS", "17.4", browser, version)


def test_ios_26_is_not_taken_for_the_18_it_claims_to_be() -> None:
    iphone = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS {} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/{} Mobile/15E148 Safari/604.1"
    )
    assert describe(iphone.format("18_6", "26.1"), {}) == Device("Mobile", "iOS", "26.1", "Safari", "26.1")
    assert describe(iphone.format("17_4_1", "17.4.1"), {}) == Device("Mobile", "iOS", "17.4.1", "Safari", "17.4.1")


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"SEC_CH_UA_FORM_FACTORS": '"Tablet"'}, "Tablet"),
        ({"SEC_CH_UA_FORM_FACTORS": '"EInk", "Tablet"'}, "Tablet"),
        ({"SEC_CH_UA_FORM_FACTORS": '"Desktop"'}, "Desktop"),
        ({"SEC_CH_UA_FORM_FACTORS": '"XR"'}, "Other"),
        ({"SEC_CH_UA_MOBILE": "?0"}, "Tablet"),
        ({"SEC_CH_UA_MOBILE": "?1"}, "Mobile"),
        ({"SEC_CH_UA_MOBILE": "?1", "SEC_CH_UA_MODEL": '"SM-X910"'}, "Tablet"),
        ({"SEC_CH_UA_MODEL": '"BRAVIA 4K VH2"'}, "TV"),
        ({"SEC_CH_UA_MODEL": '"AFTKA"'}, "TV"),
    ],
)
def test_hints_tell_what_kind_of_android_it_is(more: dict[str, str], kind: str) -> None:
    assert describe(ANDROID_CHROME_LARGE, hints("Android", "13.0.0", **more)).device == kind


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        (
            WINDOWS_CHROME.replace("Safari/537.36", "Safari/537.36 Edg/124.0.0.0"),
            Device("Desktop", "Windows", "10 or 11", "Edge", "124"),
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:125.0) Gecko/20100101 Firefox/125.0",
            Device("Desktop", "Windows", "10 or 11", "Firefox", "125"),
        ),
        (
            "Mozilla/5.0 (Windows NT 6.3; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/109.0.0.0 "
            "Safari/537.36",
            Device("Desktop", "Windows", "8.1", "Chrome", "109"),
        ),
        (
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
            Device("Desktop", "Ubuntu", "", "Firefox", "125"),
        ),
        (
            "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 "
            "Safari/537.36",
            Device("Desktop", "Chrome OS", "", "Chrome", "124"),
        ),
        (
            "Mozilla/5.0 (Android 14; Tablet; rv:125.0) Gecko/125.0 Firefox/125.0",
            Device("Tablet", "Android", "14", "Firefox", "125"),
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 "
            "Mobile/15E148 Safari/604.1",
            Device("Tablet", "iPadOS", "16.6", "Safari", "16.6"),
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "FxiOS/125.0 Mobile/15E148 Safari/605.1.15",
            Device("Mobile", "iOS", "17.4", "Firefox", "125"),
        ),
        ("curl/8.5.0", Device("Bot", "Unknown", "", "curl", "8.5")),
        ("", Device("Other", "Unknown", "", "Unknown", "")),
    ],
)
def test_well_known_browsers_are_recognised_without_hints(user_agent: str, expected: Device) -> None:
    assert describe(user_agent, {}) == expected


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.5) AppleWebKit/537.36 (KHTML, like Gecko) 85.0.4183.93/6.5 TV Safari",
        "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.4606.128 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 9; AFTMM Build/PS7624; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
        "Chrome/110.0.5481.154 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 10; BRAVIA 4K VH2) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/96.0 Safari/537",
        "AppleTV14,1/16.1",
        "Mozilla/5.0 (X11; Linux armv7l) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/90.0 Safari/537.36 CrKey/1.56",
        "Roku/DVP-9.10 (519.10E04111A)",
    ],
)
def test_televisions_are_recognised(user_agent: str) -> None:
    assert describe(user_agent, {}).device == "TV"


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "python-requests/2.31.0",
        "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041",
        "Go-http-client/2.0",
        "Wget/1.21.4",
    ],
)
def test_programs_are_called_bots(user_agent: str) -> None:
    assert describe(user_agent, {}).device == "Bot"


def test_a_phone_made_after_all_is_not_a_television() -> None:
    assert describe(ANDROID_CHROME.replace("K)", "AFTERGLOW phone)"), {}).device == "Mobile"


def test_a_long_user_agent_is_cut_and_control_characters_go() -> None:
    assert describe("A" * 100_000, {}).device == "Other"
    device = describe(
        "\x1b[31mMozilla/5.0\n(X11; Linux x86_64)\x00 Firefox/125.0", {"Sec-CH-UA-Platform": '"Li\x07nux"'}
    )
    assert device.os == "Linux"


def test_whatever_is_sent_fits_into_the_database() -> None:
    nasty = chromium(f'"{"<b>" * 300}";v="{"9" * 300}<script>"') | {"Sec-CH-UA-Platform": "W" * 300}
    device = describe(WINDOWS_CHROME, nasty)
    for field in dataclasses.fields(device):
        column = LoginSession._meta.get_field(field.name)
        assert isinstance(column, CharField)
        assert column.max_length is not None
        assert len(getattr(device, field.name)) <= column.max_length, field.name
    assert device.os == "W" * len(device.os)
    assert "<" not in device.browser_version


@pytest.mark.parametrize(
    "value",
    ["", '"', '""', ";", "?1", '"a";v', '"\\"";v="1"', '"a";v="1"' * 500, "\x00\x01", "☃", "[]", '"Windows'],
)
def test_malformed_hints_count_as_not_said(value: str) -> None:
    everything = dict.fromkeys(
        hints("x", SEC_CH_UA_MOBILE="?1", SEC_CH_UA_MODEL="m", SEC_CH_UA_FORM_FACTORS="f"), value
    )
    everything |= {"Sec-CH-UA": value, "Sec-CH-UA-Full-Version-List": value, "touch": value}
    device = describe(WINDOWS_CHROME, everything)
    assert device.device in {"Desktop", "Mobile"}
    assert device.os
    assert device.browser


def test_no_user_agent_whatsoever_raises() -> None:
    chance = random.Random(4)  # noqa: S311 - the same nonsense on every run, not a secret
    words = [
        "Mozilla/5.0",
        "(",
        ")",
        ";",
        "Android",
        "Mac OS X",
        "Version/",
        "Windows NT",
        "\x00",
        "☃",
        "9" * 30,
        "Tizen",
    ]
    for _ in range(200):
        text = " ".join(chance.choices(words, k=chance.randrange(30)))
        device = describe(text, {"Sec-CH-UA-Platform": text, "Sec-CH-UA-Full-Version-List": text, "touch": text})
        assert device.device in {"Desktop", "Mobile", "Tablet", "TV", "Bot", "Other"}


def test_only_what_is_not_sent_anyway_is_asked_for() -> None:
    assert set(ACCEPT_CH.split(", ")) == {
        "Sec-CH-UA-Platform-Version",
        "Sec-CH-UA-Full-Version-List",
        "Sec-CH-UA-Form-Factors",
        "Sec-CH-UA-Model",
    }


def test_only_hint_headers_are_picked_out_of_a_request() -> None:
    meta = {"HTTP_SEC_CH_UA_MODEL": '"Pixel 8"', "HTTP_COOKIE": "sessionid=secret", "HTTP_SEC_CH_UA_MOBILE": ""}
    assert hints_from(meta) == {"Sec-CH-UA-Model": '"Pixel 8"'}


@pytest.mark.parametrize(
    ("token", "browser", "version"),
    [
        ("YaBrowser/24.6.0.0", "Yandex Browser", "24.6"),
        ("Whale/3.26.244.21", "Whale", "3.26.244"),
        ("Vivaldi/6.7.3329.35", "Vivaldi", "6.7.3329"),
        ("Electron/30.0", "Chrome", "124.0.6367.91"),  # the library knows no such browser
        ("", "Chrome", "124.0.6367.91"),
    ],
)
def test_a_browser_that_says_more_in_its_header_than_in_its_brands_keeps_it(
    token: str, browser: str, version: str
) -> None:
    agent = WINDOWS_CHROME.replace(" Safari/", f" {token} Safari/" if token else " Safari/")
    device = describe(agent, hints("Windows", "15.0.0", SEC_CH_UA_FULL_VERSION_LIST=BRANDS))
    assert (device.browser, device.browser_version) == (browser, version)


def test_a_brand_that_says_more_than_the_header_wins() -> None:
    brands = '"Chromium";v="124.0.6367.91", "Microsoft Edge";v="124.0.2478.67", "Not-A.Brand";v="99.0.0.0"'
    assert describe(WINDOWS_CHROME, hints("Windows", "15.0.0", SEC_CH_UA_FULL_VERSION_LIST=brands)).browser == "Edge"
    chromium_only = '"Chromium";v="124.0.6367.91", "Not-A.Brand";v="99.0.0.0"'
    linux = describe(LINUX_CHROME, hints("Linux", "6.8", SEC_CH_UA_FULL_VERSION_LIST=chromium_only))
    assert linux.browser == "Chromium"


@pytest.mark.parametrize(
    ("agent", "browser"),
    [
        (f"{ANDROID_CHROME} XiaoMi/MiuiBrowser/17.5.10", "Mi Browser"),
        (ANDROID_CHROME.replace(" Mobile", " MQQBrowser/14.1 Mobile"), "QQ Browser"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Mobile/15E148",
            "In-app browser",
        ),
    ],
)
def test_browsers_have_the_names_that_people_know(agent: str, browser: str) -> None:
    assert describe(agent, {}).browser == browser
