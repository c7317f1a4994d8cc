"""The addresses around a list: of the same list with other filters, of its pages, and of its download."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlencode

from django.http import HttpRequest

from activity.listing.keyset import Page
from activity.saved_views.seen import EVERYTHING

PAGE_PARAMETERS = ("after", "before", "last", "day")
DOWNLOAD_PARAMETERS = ("csv", "format", "zip")  # ask for a file: ?csv=1, or ?format=xlsx, each with zip=1 or without


def asks_for_download(parameters: Iterable[str]) -> bool:
    """Return whether an address with these parameters asks a list for a file."""
    return not set(DOWNLOAD_PARAMETERS).isdisjoint(parameters)


OFFERED = (
    ("JSON Lines", "every detail, one object a line", {"format": "jsonl"}),
    ("Excel (XLSX)", "dates and numbers as such", {"format": "xlsx"}),
    ("CSV with manifest", "ZIP", {"zip": "1"}),
    ("JSON Lines with manifest", "ZIP", {"format": "jsonl", "zip": "1"}),
    ("Excel with manifest", "ZIP", {"format": "xlsx", "zip": "1"}),
)


def offered(url: Callable[..., str]) -> list[tuple[str, str, str, str]]:
    """Return what the menu of downloads offers: words, a note, what it adds to the address of the CSV, and the address.

    `url` makes the address of what is downloaded with further parameters.
    """
    return [(label, note, f"&{urlencode(further)}", url(csv="1", **further)) for label, note, further in OFFERED]


class ListLinks:
    """The links of one list. `Listing` sets what they are made of."""

    request: HttpRequest
    parameters: Mapping[str, str]
    extra: tuple[str, ...]

    @functools.cached_property
    def page(self) -> Page:
        """Return the page that is shown; `Listing` reads it."""
        raise NotImplementedError

    @property
    def whole_parameters(self) -> dict[str, str]:
        """Return the parameters that say what this list is, without those of one page of it."""
        return {
            name: value
            for name, value in self.parameters.items()
            if name not in (*PAGE_PARAMETERS, *DOWNLOAD_PARAMETERS)
        }

    def url(self, **changes: str | None) -> str:
        """Return this list's address with `changes`, without its page; None takes a parameter away."""
        parameters = self.whole_parameters
        for name, value in changes.items():
            if value is None:
                parameters.pop(name, None)
            else:
                parameters[name] = value
        return f"{self.request.path}?{urlencode(parameters)}"

    @property
    def here_url(self) -> str:
        """Return the address of this page of the list."""
        parameters = {name: value for name, value in self.parameters.items() if name not in DOWNLOAD_PARAMETERS}
        return f"{self.request.path}?{urlencode(parameters)}"

    @property
    def all_url(self) -> str:
        """Return the address of the list without search and filters.

        Where it shows a saved view, the address says so that it is to show none, not the person's default either.
        """
        extra = {name: self.parameters[name] for name in self.extra if name in self.parameters}
        if "view" in self.parameters:
            extra["view"] = EVERYTHING
        return f"{self.request.path}?{urlencode(extra)}"

    @property
    def first_url(self) -> str:
        """Return the address of the first page; empty where this is the first."""
        return self.url() if self.page.previous else ""

    @property
    def previous_url(self) -> str:
        """Return the address of the page before this one; empty where there is none."""
        return self.url(before=self.page.previous) if self.page.previous else ""

    @property
    def next_url(self) -> str:
        """Return the address of the page after this one; empty where there is none."""
        return self.url(after=self.page.next) if self.page.next else ""

    @property
    def last_url(self) -> str:
        """Return the address of the last page; empty where this is the last."""
        return self.url(last="1") if self.page.next else ""

    @property
    def day(self) -> str:
        """Return the date that the page begins with, if the URL asks for one."""
        return self.parameters.get("day", "")

    @property
    def csv_url(self) -> str:
        """Return the address of the download of exactly the filtered rows."""
        return self.url(csv="1")

    @property
    def downloads(self) -> list[tuple[str, str, str, str]]:
        """Return what the menu of downloads offers."""
        return offered(self.url)
