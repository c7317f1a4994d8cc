"""Write one Markdown document as HTML that the content security policy allows: without style, script and raw HTML."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

AddressOf = Callable[[str], str | None]
ALIGNED = {"text-align:right": "number", "text-align:center": "centred"}


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, with the anchor that GitHub would give it."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class RenderedDocument:
    """A document as HTML, its headings in order, and the plain text under each of them."""

    html: SafeString
    headings: tuple[Heading, ...]
    sections: tuple[tuple[Heading, str], ...]


def render_document(text: str, address_of: AddressOf) -> RenderedDocument:
    """Render a document. `address_of` gives the address for a link or picture, None to leave it out."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    headings = _add_anchors(tokens)
    for token in tokens:
        _remove_style(token)
        if token.children:
            token.children = _with_our_links(token.children, address_of)
    html = mark_safe(_scrolling_tables(parser.renderer.render(tokens, parser.options, {})))  # noqa: S308 - escaped by it
    return RenderedDocument(html, tuple(headings), tuple(_sections(tokens, headings)))


def anchor_of(text: str, taken: set[str]) -> str:
    """Return the anchor that GitHub gives a heading: lower case, no punctuation, `-` for each blank."""
    anchor = base = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
    number = 0
    while anchor in taken:
        number += 1
        anchor = f"{base}-{number}"
    taken.add(anchor)
    return anchor


def _add_anchors(tokens: Sequence[Token]) -> list[Heading]:
    headings, taken = [], set[str]()
    for token, content in itertools.pairwise(tokens):
        if token.type != "heading_open":
            continue
        text = _plain(content)
        anchor = anchor_of(text, taken)
        token.attrSet("id", anchor)
        headings.append(Heading(int(token.tag[1]), text, anchor))
    return headings


def _plain(token: Token) -> str:
    """Return the text of an inline token without its markup."""
    return "".join(
        child.content if child.type in ("text", "code_inline") else " "
        for child in token.children or []
        if child.type in ("text", "code_inline", "softbreak", "hardbreak")
    )


def _remove_style(token: Token) -> None:
    """Turn the alignment of a table's cell, which is an inline style, into a class."""
    style = token.attrs.pop("style", None)
    if isinstance(style, str) and style in ALIGNED:
        token.attrSet("class", ALIGNED[style])


def _with_our_links(children: Sequence[Token], address_of: AddressOf) -> list[Token]:
    """Return the inline tokens with addresses of the console, without links that lead to nothing here."""
    shown: list[Token] = []
    is_open: list[bool] = []
    for child in children:
        if child.type == "link_open":
            target = str(child.attrGet("href") or "")
            address = target if re.match(r"https?://", target) else address_of(target)
            is_open.append(address is not None)
            if address is None:
                continue
            child.attrSet("href", address)
            if address == target and "://" in target:
                child.attrSet("rel", "noreferrer noopener")
        elif child.type == "link_close" and not is_open.pop():
            continue
        elif child.type == "image":
            address = address_of(str(child.attrGet("src") or ""))
            if address is None:
                continue
            child.attrSet("src", address)
            child.attrSet("loading", "lazy")
        shown.append(child)
    return shown


def _scrolling_tables(html: str) -> str:
    """Put each table into a part that scrolls sideways, also by keyboard. An empty heading becomes a plain cell."""
    parts = html.replace("<th></th>", "<td></td>").split("<table>")
    opened = (
        f'<div class="help-table" tabindex="0" role="region" aria-label="Table {number}"><table>{part}'
        for number, part in enumerate(parts[1:], 1)
    )
    return (parts[0] + "".join(opened)).replace("</table>", "</table></div>")


def _sections(tokens: Sequence[Token], headings: Sequence[Heading]) -> list[tuple[Heading, str]]:
    """Return each heading with the plain text under it, up to the next heading."""
    texts: list[list[str]] = []
    is_heading = False
    for token in tokens:
        if token.type == "heading_open":
            texts.append([])
        is_heading = token.type == "heading_open" or (is_heading and token.type != "heading_close")
        if not texts or is_heading:
            continue
        if token.type == "inline":
            texts[-1].append(_plain(token))
        elif token.type in ("fence", "code_block"):
            texts[-1].append(token.content)
    return [(heading, " ".join(" ".join(text).split())) for heading, text in zip(headings, texts, strict=True)]
