"""Reads a page as elements, so that tests look at what is there and not at how it is spelled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, TypeAlias
from xml.etree import ElementTree as ET

from django.http.response import HttpResponseBase, StreamingHttpResponse

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse  # the type stubs have it, Django does not

ClientResponse: TypeAlias = "_MonkeyPatchedWSGIResponse"

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "use", "wbr"}


class _Builder(HTMLParser):
    """Closes what the page leaves open, so that ElementTree's paths work on it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tree = ET.TreeBuilder()
        self.open: list[str] = []
        self.tree.start("page", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr" and "tr" in self.open:
            self.handle_endtag("tr")  # no table of ours stands in another
        if tag == "option" and self.open and self.open[-1] == "option":
            self.handle_endtag("option")
        if tag == "td" and "td" in self.open[len(self.open) - self.open[::-1].index("tr") :]:
            self.handle_endtag("td")  # a cell ends the one before
        self.tree.start(tag, {name: value or "" for name, value in attrs})
        if tag in VOID:
            self.tree.end(tag)
        else:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tree.start(tag, {name: value or "" for name, value in attrs})
        self.tree.end(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open:
                last = self.open.pop()
                self.tree.end(last)
                if last == tag:
                    return

    def handle_data(self, data: str) -> None:
        self.tree.data(data)

    def finish(self) -> ET.Element:
        while self.open:
            self.tree.end(self.open.pop())
        self.tree.end("page")
        return self.tree.close()


def elements(response: Any) -> ET.Element:
    """Return the page of a response as an element, to be searched with ElementTree's paths."""
    return parsed(response.content.decode())


def parsed(html: str) -> ET.Element:
    """Parse HTML and return its root element."""
    builder = _Builder()
    builder.feed(html)
    return builder.finish()


def text(element: ET.Element | None) -> str:
    """Return the text of the element, with each run of blanks as one space."""
    assert element is not None
    return " ".join("".join(element.itertext()).split())


def attribute(element: ET.Element | None, name: str) -> str:
    """Return the attribute of an element. Both have to be there."""
    assert element is not None
    return element.attrib[name]


def pieces(response: HttpResponseBase) -> Iterator[bytes]:
    """Return an iterator over a streamed answer as the server would send it, one piece at a time."""
    assert isinstance(response, StreamingHttpResponse)
    return iter(response)


def streamed(response: HttpResponseBase) -> bytes:
    """Read a streamed answer to its end, as a browser does; only then is a download in the log."""
    return b"".join(pieces(response))


def texts(page: ET.Element, path: str) -> list[str]:
    """Return the text of each element at `path`."""
    return [text(element) for element in page.findall(path)]


def facts(page: ET.Element) -> dict[str, str]:
    """Return the terms of the page's description lists, each with its description."""
    return {
        text(term): text(description)
        for each in page.iter("dl")
        for term, description in zip(each.findall("dt"), each.findall("dd"), strict=True)
    }


def table(page: ET.Element) -> list[dict[str, str]]:
    """Return the rows of the list on the page, each by column heading."""
    heads = [text(head) for head in page.findall(".//thead//th")]
    rows = []
    for row in page.findall(".//tbody/tr"):
        cells = [text(cell) for cell in row.findall("td")]
        rows.append({"id": row.get("id", ""), **dict(zip(heads, cells, strict=True))})
    return rows


def refusals(page: ET.Element, pk: int) -> dict[str, str]:
    """Return the actions that the row of that number does not allow, each with the reason."""
    grid = page.find(".//table[@data-refusals]")
    row = page.find(f".//tr[@id='row-{pk}']")
    assert grid is not None
    assert row is not None
    found: dict[str, str] = json.loads(grid.get("data-refusals", ""))[int(row.get("data-refusals", "0"))]
    return found


def fields(page: ET.Element, path: str = ".//form[@method='post']") -> dict[str, Any]:
    """Return what a browser would send with the last form at `path`, without its buttons."""
    form = page.findall(path)[-1]
    sent: dict[str, Any] = {}
    for each in form.iter():
        name, kind = each.get("name"), each.get("type", "")
        if not name or each.tag not in ("input", "textarea", "select") or kind in ("submit", "button"):
            continue
        if kind in ("checkbox", "radio") and "checked" not in each.attrib:
            continue
        if each.tag == "select":
            options = each.findall(".//option")
            chosen = [option for option in options if "selected" in option.attrib]
            sent[name] = (chosen or options)[0].get("value", "")
        elif name in ("ids", "resources"):
            sent.setdefault(name, []).append(each.get("value", ""))
        else:
            empty = "on" if kind in ("checkbox", "radio") else ""
            sent[name] = text(each) if each.tag == "textarea" else each.get("value", empty)
    return sent


def controls(page: ET.Element) -> list[dict[str, str]]:
    """Return the rows of a session's controls, the latest first: the text of each cell by its column's name."""
    rows = page.findall(".//section[@aria-labelledby='controls-title']//tbody/tr")
    cells = [[text(row.find("th")), *map(text, row.findall("td"))] for row in rows]
    return [dict(zip(("Control", "Requested", "Gateway", "Host"), row, strict=True)) for row in cells]
