"""Measures lists: the log beside its peers, and sessions and logins in each order that they offer."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from django.contrib.staticfiles import finders
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.period import months_before
from benchmarks.data import Size, browser
from benchmarks.installed import PEERS
from benchmarks.timing import Figure, contest
from benchmarks.volume import words

OURS = "SessionAdmin"
HTMX = {"HX-Request": "true"}
WEIGHTS = ("/activity/?period=1y", "/sessions/?tab=historical", "/logins/")
SORT = re.compile(rb"[?&;]sort=(-?[a-z_]+)")
AFTER = re.compile(rb"[?&;]after=([^&\"]+)")
LINK = re.compile(rb'(?:src|href)="(/static/[^"?#]+)')
KEYWORDS = {
    "rare": words.RARE,
    "middling": words.MIDDLING,
    "common": words.COMMON,
    "none": words.NONE,
    "worst": words.WORST,
    "two letters": "qu",
}


class Pages:
    """Asks for pages as an administrator."""

    def __init__(self, size: Size) -> None:
        self.size, self.client = size, browser()
        oldest = LogEntry.objects.order_by("at", "id").values_list("at", flat=True)[0]
        self.everything = {"since": f"{oldest:%Y-%m-%d}", "period": "custom"}
        self.busiest = LogEntry.objects.order_by("id").filter(user__username__startswith="person-")[0].user_name

    def ask(self, path: str, **parameters: str) -> Callable[[], Any]:
        """Return a function that requests a page."""
        url = f"{path}?{urlencode(parameters)}" if parameters else path
        return lambda: self.client.get(url)

    def figures(self) -> Iterator[Figure]:
        """Measure all pages, in turn."""
        yield from self.log()
        yield from self.keywords()
        yield from self.columns("/sessions/", tab="historical")
        yield from self.columns("/logins/", state="")
        for path, search in (("/sessions/", words.RARE), ("/sessions/", words.COMMON), ("/logins/", "Reykja")):
            extra = {"tab": "historical"} if path == "/sessions/" else {}
            yield from self.contest(f"{path} searched for {search}", {OURS: self.ask(path, q=search, **extra)})
        yield from self.contest("summary of a year", {OURS: self.ask("/activity/summary/", period="1y")})
        yield from self.contest("chart of a year", {OURS: self.ask("/activity/chart/", period="1y")})

    def contest(self, question: str, contestants: dict[str, Callable[[], Any]]) -> list[Figure]:
        """Measure in turn those of the contestants that are installed."""
        there = {who: ask for who, ask in contestants.items() if PEERS["django_tables2"] or "tables2" not in who}
        return contest(question, there, self.size.rounds)

    def log(self) -> Iterator[Figure]:
        """Measure the first page of the log, one in its middle, and half a year of one user."""
        ours = self.ask("/activity/", **self.everything)
        # The admin shows at most as many pages as there are; page numbers begin with 1.
        middle = str(self.size.entries // 200)
        tables2, tuned, stock = "/peer/tables2/", "/peer/tuned/activity/logentry/", "/peer/stock/activity/logentry/"
        yield from self.contest(
            "log, first page",
            {
                OURS: ours,
                "tables2 + filter": self.ask(tables2),
                "admin, tuned": self.ask(tuned),
                "admin, stock": self.ask(stock),
            },
        )
        yield from self.contest(
            "log, deep page",
            {
                OURS: self.deep(),
                "tables2 + filter": self.ask(tables2, page=middle),
                "admin, tuned": self.ask(tuned, p=middle),
            },
        )
        yield from self.contest("log, last page", {OURS: self.ask("/activity/", last="1", **self.everything)})
        half = {"since": months_before(timezone.now(), 6).isoformat(timespec="seconds"), "user": self.busiest}
        yield from self.contest(
            "log, user + 6 months",
            {
                OURS: self.ask("/activity/", period="6m", user=self.busiest),
                "tables2 + filter": self.ask(tables2, **half),
                "admin, tuned": self.ask(tuned, user_name=self.busiest, at__gte=half["since"]),
            },
        )

    def deep(self) -> Callable[[], Any]:
        """Return a function that requests a page in the middle of the log, by the cursor of the page before it."""
        newest = LogEntry.objects.order_by("-id").values_list("id", flat=True)[0]
        at = LogEntry.objects.get(id=newest - self.size.entries // 2).at
        there = self.client.get(f"/activity/?{urlencode({**self.everything, 'until': f'{at:%Y-%m-%d}'})}")
        cursor = AFTER.search(there.content)
        if cursor is None:
            raise RuntimeError("The middle of the log has no next page")
        return self.ask("/activity/", after=cursor[1].decode(), **self.everything)

    def keywords(self) -> Iterator[Figure]:
        """Measure the search for words with a known frequency in the whole log."""
        for kind, word in KEYWORDS.items():
            contestants = {OURS: self.ask("/activity/", activity=word, **self.everything)}
            if kind != "two letters":
                contestants["tables2 + filter"] = self.ask("/peer/tables2/", activity=word)
                contestants["admin, tuned"] = self.ask("/peer/tuned/activity/logentry/", q=word)
            yield from self.contest(f"log, keyword: {kind}", contestants)

    def columns(self, path: str, **parameters: str) -> Iterator[Figure]:
        """Measure the first page and the last page of the list, in each order that it offers."""
        page = self.client.get(path, parameters)
        names = sorted({name.decode().lstrip("-") for name in SORT.findall(page.content)})
        for name in names:
            for sort in (name, f"-{name}"):
                ask = self.ask(path, **parameters, sort=sort)
                last = self.ask(path, **parameters, sort=sort, last="1")
                yield from contest(f"{path} by {sort}", {OURS: ask}, self.size.rounds)
                yield from contest(f"{path} by {sort}, last page", {OURS: last}, self.size.rounds)


def weights() -> dict[str, dict[str, int]]:
    """Return the bytes of each page and of everything that its first visit loads, both compressed with gzip."""
    client = browser()
    return {url: _weight(client, url) for url in WEIGHTS}


def _weight(client: Client, url: str) -> dict[str, int]:
    page = client.get(url).content
    loaded = [page]
    for link in sorted({one.decode() for one in LINK.findall(page)}):
        found = finders.find(link.removeprefix("/static/"))
        if found:
            with open(found, "rb") as file:
                loaded.append(file.read())
    sizes = [len(gzip.compress(one)) for one in loaded]
    return {"html_gzip": sizes[0], "first_visit_gzip": sum(sizes), "files": len(loaded)}
