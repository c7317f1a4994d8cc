"""Requests that nobody would send, to every address and every form of the console, for tests/project/test_fuzz.py.

1. Pages are read as people of each kind see them: what they link to and which forms they hold is what is varied.
2. A request is one of these, or any address of the console, with some of its values, names, headers or its body spoilt.
3. All follows from a seed, so that what went wrong is sent once more by the same words.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import random
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import IntConverter

from tests.support import pages

INTEGERS = [0, 1, -1, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63), 2**63, 10**30, 10**400]
TIMES = [
    *("0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+23:59", "0001-01-01"),
    *("9999-12-31T23:59:59.999999+00:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59-23:59"),
    *("2026-01-01T00:00:00+15:59", "2026-01-01T00:00:00+16:00", "2026-01-01T00:00:00+23:59", "2026-01-01T00:00:00"),
    *("2026-01-01T00:00:00-23:59", "2026-01-01T00:00:00+23:59:59.999999", "0000-01-01T00:00:00Z", "infinity", "now"),
]
DURATIONS = [
    *("P999999999DT23H59M59S", "-P999999999D", "P106751991DT4H54S", "P106751992D", "P1000000000D", "1e400", "00:00:00"),
    *("-00:00:01", "999999999 23:59:59.999999", "P99999999999999999999D"),
]
TEXTS = ["", "\x00", "a\x00b", "\ud800", "\udfff", "%", "'", "::", "::1", "1.2.3.4", "1.2.3.4/8", "x" * 60_000, "İ"]
OTHERS = [None, True, False, 0.5, 1e308, float("inf"), float("-inf"), float("nan"), [], [1], {}, {"a": 1}]
WORDS = [
    *(
        '"',
        "';--",
        "\\",
        "%00",
        "%zz",
        "%_",
        "*",
        "a OR b",
        "NEAR(",
        "-x",
        "#7",
        "a #99999999999999999999",
        "../../etc",
    ),
    *("http://[", "//evil.example", "javascript:alert(1)", "\u202e", "\u200d", "\ufeff", "\u2028", "=1+1", "{{7*7}}"),
    *("é" * 30_000, "x" * 501, "x" * 151, "\r\nSet-Cookie: a=b", "😀" * 9, "\U000e0001", "a\u0301", "null", "[]", "{}"),
    *("2026-02-30", "0000-00-00", "25:61", "1e9999", "0x10", "٣", "²", "+1", " 1", "1_000", "-", "on", "pk", "id"),
]
NAMES = [
    *(
        "q",
        "sort",
        "after",
        "before",
        "last",
        "day",
        "csv",
        "tab",
        "whose",
        "user",
        "host",
        "activity",
        "status",
        "ids",
    ),
    *("next", "find", "t", "view", "period", "since", "until", "level", "top", "step", "resources", "for", "chosen"),
    *("_to_field", "_popup", "_changelist_filters", "o", "p", "e", "all", "term", "app_label", "model_name"),
    *(
        "field_name",
        "account",
        "state",
        "device",
        "country",
        "group",
        "role",
        "platform",
        "do",
        "token",
        "all",
        "shown",
    ),
    *(
        "csrfmiddlewaretoken",
        "_selected_action",
        "action",
        "select_across",
        "_save",
        "widths",
        "reset",
        "key",
        "session",
    ),
]
# What Django would take in a list of the administration: a field, or one of a neighbour, and a lookup.
FIELDS = [
    "id",
    "pk",
    "name",
    "username",
    "date_joined",
    "groups__id",
    "user__id",
    "groups",
    "resource",
    "profile",
    "port",
]
LOOKUPS = ["in", "year", "regex", "gt", "lte", "range", "isnull", "exact", "id__exact", "date", "contains", "iso_year"]
LOOKED_FOR = ["9" * 23, "1,9999999999999999999999", "9999999", "0", "(", "[", "*", "0001-01-01", "9999-12-31", "true"]
ADDRESSES = [
    "http://[",
    "//[",
    "http://testserver/sessions/",
    "http://\u2100.example/",
    "",
    "null",
    "a b",
    "http://[::1]/",
]
HEADERS = {
    "HX-Request": ["true", "false", ""],
    "HX-Boosted": ["true"],
    "HX-History-Restore-Request": ["true"],
    "HX-Current-URL": ADDRESSES,
    "HX-Current-URL-URI-AutoEncoded": ["true"],
    "HX-Target": ["x", "\u00e9", "%00"],
    "HX-Trigger": ["{", '{"a":1}', "%00"],
    "If-None-Match": ['"x"', "*", "W/", ","],
    "If-Modified-Since": ["x", "Thu, 01 Jan 0001 00:00:00 GMT", "Thu, 31 Dec 9999 23:59:60 GMT"],
    "Referer": ADDRESSES,
    "Origin": ADDRESSES,
    "User-Agent": ["", "x" * 5000, "Mozilla/5.0 (iPhone; CPU iPhone OS 99999999 like Mac OS X)", "\u00ff\u0000"],
    "Sec-CH-UA": ['"', '"a";v="1"' * 200, "?1"],
    "Sec-CH-UA-Mobile": ["?2", ""],
    "Sec-CH-UA-Platform-Version": ['"999999999999999999999.1"', '"x"'],
    "X-Forwarded-For": ["[", "1.2.3.4:99999", ",", "::ffff:1.2.3.4", "%", "x" * 3000],
    "X-Forwarded-Proto": ["https", "x"],
    "Accept": ["application/json", "*/*;q=x", "\u00e9"],
    "Accept-Language": ["x" * 600, "de;q=9"],
    "Range": ["bytes=9-1", "bytes=-", "x"],
    "Content-Encoding": ["gzip"],
    "Host": ["testserver:99999", "evil.example", "[", "a b", "testserver."],
    "Cookie": [
        "theme=%00",
        "timezone=../x",
        "timezone=Pacific/Apia",
        "messages=x:y",
        "sessionid=\u00e9",
        "csrftoken=x",
        "=",
    ],
}
TYPES = [
    *("application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-7", "multipart/form-data"),
    *("multipart/form-data; boundary=x", "application/json", "text/plain", "", "x/y; charset=\u00e9", "a;b;c"),
]


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """An address with its parameters, or a form with its fields."""

    method: str
    path: str
    fields: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Sent:
    """One request, as the test client takes it."""

    method: str
    path: str
    query: str
    body: bytes
    content_type: str
    headers: dict[str, str]

    def by(self, client: Client) -> Any:
        """Send it. Whatever is raised is the caller's to see."""
        return client.generic(
            self.method,
            f"{self.path}?{self.query}" if self.query else self.path,
            self.body,
            self.content_type,
            headers=self.headers,
        )


def addresses() -> Iterator[tuple[str, list[type]]]:
    """Yield every address of the console as a string for format(), with the converters of its parts."""
    yield from _below(get_resolver(), "", [])


def _below(resolver: URLResolver, before: str, kinds: list[type]) -> Iterator[tuple[str, list[type]]]:
    for pattern in resolver.url_patterns:
        text, more = str(pattern.pattern), dict(getattr(pattern.pattern, "converters", {}))
        for name, converter in more.items():
            for written in (f"<{_name(converter)}:{name}>", f"<{name}>"):
                text = text.replace(written, "{}")
        found = [*kinds, *map(type, more.values())]
        if isinstance(pattern, URLResolver):
            yield from _below(pattern, before + text, found)
        elif isinstance(pattern, URLPattern) and "^" not in text and "(" not in text:
            yield before + text, found


def _name(converter: Any) -> str:
    return type(converter).__name__.removesuffix("Converter").lower().replace("string", "str")


def targets_of(client: Client, most: int) -> list[Target]:
    """Return the links and forms on the pages that this browser can open. At most `most` pages are read."""
    found: dict[Target, None] = {}
    # The console's own pages first; the administration, which has as many, is Django's.
    waiting = [Target("GET", "/" + path.format(*["1"] * len(kinds))) for path, kinds in addresses()]
    seen: set[str] = set()
    while waiting and len(seen) < most:
        target = waiting.pop(next((place for place, each in enumerate(waiting) if not is_django(each)), 0))
        found.setdefault(target)
        if target.path in seen or "logout" in target.path:
            continue
        seen.add(target.path)
        answer = client.get(target.path, dict(target.fields))
        if answer.status_code != 200 or answer.streaming or "text/html" not in answer.get("Content-Type", ""):
            continue
        more = list(_in_page(answer, target.path))
        found.update(dict.fromkeys(more))
        waiting += [each for each in more if each.method == "GET" and each.path not in seen]
    return list(found)


def is_django(target: Target) -> bool:
    """Return whether it belongs to the administration."""
    return target.path.startswith("/admin/")


def _in_page(answer: Any, here: str) -> Iterator[Target]:
    page = pages.elements(answer)
    for link in page.iter("a"):
        parts = urlsplit(link.get("href", ""))
        if not parts.netloc and not parts.scheme:
            path = parts.path if parts.path.startswith("/") else f"{here}{parts.path}"
            yield Target("GET", path, tuple(parse_qsl(parts.query, keep_blank_values=True)))
    for form in page.iter("form"):
        fields = [
            (name, each.get("value", "") or (each.text or ""))
            for each in form.iter()
            if (name := each.get("name", "")) and each.tag in ("input", "textarea", "select", "button")
        ]
        action = urlsplit(form.get("action", "")).path or here
        yield Target(form.get("method", "get").upper(), action if action.startswith("/") else here, tuple(fields))


class Fuzzer:
    """Makes requests of targets, all of them from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a seed makes it repeatable
        self.addresses = list(addresses())

    def request(self, targets: dict[str, list[Target]]) -> Sent:
        """Return the next request to one of the targets.

        They are stored by path, so that all pages are equally likely, whatever the number of links to them.
        """
        choose = self.random
        target = choose.choice(targets[choose.choice(list(targets))]) if choose.random() < 0.9 else self._any_address()
        method = target.method if choose.random() < 0.9 else choose.choice(["GET", "POST", "HEAD", "OPTIONS", "PUT"])
        fields = self._spoilt(list(target.fields))
        if is_django(target) and choose.random() < 0.3:
            lookup = f"{choose.choice(FIELDS)}__{choose.choice(LOOKUPS)}"
            fields.append((lookup, choose.choice([*LOOKED_FOR, self._value("")])))
        query, body, kind = "", b"", "application/x-www-form-urlencoded"
        if method in ("GET", "HEAD"):
            query = self._encoded(fields)
        else:
            body = self._encoded(fields).encode()
            if choose.random() < 0.05:
                query = self._encoded(self._spoilt([]))
            if choose.random() < 0.05:
                body, kind = choose.randbytes(choose.randrange(300)), choose.choice(TYPES)
        names = choose.sample(sorted(HEADERS), choose.randrange(4)) if choose.random() < 0.4 else []
        headers = {name: choose.choice(HEADERS[name]) for name in names}
        path = target.path if choose.random() < 0.9 else self._spoilt_path(target.path)
        return Sent(method, quote(path, safe="/%"), query, body, kind, headers)

    def _any_address(self) -> Target:
        path, kinds = self.random.choice(self.addresses)
        parts = [self._number() if kind is IntConverter else self._slug() for kind in kinds]
        return Target(self.random.choice(["GET", "POST"]), "/" + path.format(*parts))

    def _number(self) -> str:
        return str(abs(self.random.choice([*range(30), *INTEGERS[:8]])))

    def _slug(self) -> str:
        return self.random.choice(
            ["lock", "end", "deny", "log", "relaunch", "logins", "sessions", "auth", "x" * 300, "_5F"]
        )

    def _spoilt(self, fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the fields with some values changed, some names new, some left out, and some twice."""
        choose = self.random
        for _ in range(choose.randrange(4)):
            place, way = choose.randrange(len(fields)) if fields else -1, choose.random()
            if place < 0 or way < 0.25:
                fields.append((choose.choice(NAMES), self._value("")))
            elif way < 0.8:
                fields[place] = fields[place][0], self._value(fields[place][1])
            elif way < 0.9:
                del fields[place]
            else:
                fields.append(fields[place])
        if choose.random() < 0.003:
            fields += [(f"p{number}", "1") for number in range(1001)]
        return fields

    def _value(self, before: str) -> str:
        choose = self.random
        makers: list[Callable[[], object]] = [
            lambda: choose.choice([*INTEGERS, *TIMES, *DURATIONS, *TEXTS, *WORDS]),
            lambda: choose.choice([*INTEGERS, *TIMES, *DURATIONS, *TEXTS, *WORDS]),
            self._cursor,
            lambda: before[: choose.randrange(len(before) + 1)] + choose.choice(WORDS) + before[choose.randrange(9) :],
            lambda: "".join(chr(choose.choice([choose.randrange(128), choose.randrange(0xD800)])) for _ in range(9)),
            lambda: choose.choice([before, f"-{before}", before * 2, before.swapcase(), choose.choice(NAMES)]),
        ]
        return str(choose.choice(makers)())

    def _cursor(self) -> str:
        choose = self.random
        value = choose.choice([*INTEGERS, *TIMES, *DURATIONS, *TEXTS, *OTHERS])
        text = json.dumps([value, choose.choice([*INTEGERS, *OTHERS])])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def _encoded(self, fields: list[tuple[str, str]]) -> str:
        """Encode the fields as a browser does; now and then in a way that no browser does."""
        if self.random.random() < 0.02:
            return "&".join(f"{name}={value}" for name, value in fields).encode("ascii", "replace").decode()
        return urlencode(fields, quote_via=quote_plus, errors="surrogatepass")

    def _spoilt_path(self, path: str) -> str:
        choose = self.random
        place = choose.randrange(1, len(path) + 1)
        return path[:place] + quote(choose.choice(WORDS)[:50]) + path[place:]
