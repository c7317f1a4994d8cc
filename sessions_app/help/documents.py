"""Read the documents once in each process, write them as HTML, and search their sections.

The documents are the Markdown files of the repository: everything in docs/, and README.md, CHANGELOG.md and
CONTRIBUTING.md. Only these can be asked for, so no address leads to another file.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.urls import reverse

from activity.folding import fold
from sessions_app.help.markdown import Heading, RenderedDocument, render_document

IN_ROOT = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
INDEX = "index"
LONGEST_SNIPPET = 240  # characters of a section that a result shows
MOST_RESULTS = 40


@dataclass(frozen=True, slots=True)
class Document:
    """One document with its name in the address."""

    name: str
    rendered: RenderedDocument

    @property
    def title(self) -> str:
        """Return the first heading."""
        return self.rendered.headings[0].text

    def get_absolute_url(self) -> str:
        return document_url(self.name)

    @property
    def chapters(self) -> list[Heading]:
        """Return the headings of the second level, for “On this page”."""
        return [heading for heading in self.rendered.headings if heading.level == 2]


@dataclass(frozen=True, slots=True)
class Section:
    """The text under one heading, for the search."""

    document: Document
    heading: Heading
    text: str
    folded: str = field(repr=False)

    @property
    def url(self) -> str:
        """Return the address of the heading."""
        return f"{self.document.get_absolute_url()}#{self.heading.anchor}"


@dataclass(frozen=True, slots=True)
class Result:
    """One section that has all words, with the text around the first of them."""

    section: Section
    snippet: str


def document_url(name: str) -> str:
    """Return the address of a document; that of the index is /help/."""
    return reverse("help") if name == INDEX else reverse("help_document", args=[name])


@functools.cache
def documents() -> dict[str, Document]:
    """Return all documents by the name in their address, such as `hosts` or `how-to/backup`."""
    return {name: Document(name, _rendered(path)) for name, path in _files().items()}


@functools.cache
def images() -> dict[str, Path]:
    """Return the pictures that the documents show, by file name."""
    return {path.name: path for path in sorted((settings.HELP_DIR / "docs" / "images").glob("*.png"))}


def name_of(path: Path) -> str:
    """Return the name in the address for a path relative to the repository, such as `docs/how-to/backup.md`."""
    parts = path.with_suffix("").parts
    return "/".join(parts[1:] if parts[0] == "docs" else parts).lower()


def search(words: str) -> list[Result]:
    """Return the sections that have every word, at most 40.

    Those with a word in their heading come first, and the history of changes and decisions comes last.
    """
    wanted = fold(words).split()
    if not wanted:
        return []
    found = [section for section in _sections() if all(word in section.folded for word in wanted)]
    found.sort(key=lambda section: _rank(section, wanted))
    return [Result(section, _snippet(section, wanted[0])) for section in found[:MOST_RESULTS]]


def _files() -> dict[str, Path]:
    root: Path = settings.HELP_DIR
    paths = [path for name in IN_ROOT if (path := root / name).is_file()] + sorted((root / "docs").rglob("*.md"))
    return {name_of(path.relative_to(root)): path for path in paths}


def _rendered(path: Path) -> RenderedDocument:
    """Write a document as HTML. A link to another document leads to its page, a link to any other file becomes text."""
    root: Path = settings.HELP_DIR
    names = {there: known for known, there in _files().items()}

    def address(target: str) -> str | None:
        file, _, anchor = target.partition("#")
        if not file:
            return target
        there = (path.parent / file).resolve()
        if there.suffix == ".png" and there.name in images():
            return reverse("help_image", args=[there.name])
        if there == (root / "docs" / "decisions").resolve():
            return document_url(INDEX) + "#decisions"
        if there not in names:
            return None
        return document_url(names[there]) + (f"#{anchor}" if anchor else "")

    return render_document(path.read_text(encoding="utf-8"), address)


@functools.cache
def _sections() -> list[Section]:
    return [
        Section(document, heading, text, fold(f"{document.title} {heading.text} {text}"))
        for document in documents().values()
        for heading, text in document.rendered.sections
    ]


def _rank(section: Section, wanted: list[str]) -> tuple[bool, bool]:
    """Return what results are sorted by: False comes before True."""
    is_history = section.document.name == "changelog" or section.document.name.startswith("decisions/")
    return is_history, not any(word in fold(section.heading.text) for word in wanted)


def _snippet(section: Section, word: str) -> str:
    """Return some text around the word, cut at blanks."""
    place = max(fold(section.text).find(word), 0)
    start = max(place - LONGEST_SNIPPET // 3, 0)
    text = section.text[start : start + LONGEST_SNIPPET]
    if start:
        text = "… " + re.sub(r"^\S*\s", "", text)
    return text if start + LONGEST_SNIPPET >= len(section.text) else re.sub(r"\s\S*$", "", text) + " …"
