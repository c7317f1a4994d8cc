"""Free text that came with a request: how a view reads what no form field has looked at.

No database is asked for a text with a NUL, which PostgreSQL takes nowhere, nor for one that is longer than anything it
could find: SQLite refuses patterns of 50,000 characters. Knows no view and no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.core.exceptions import BadRequest
from django.http import QueryDict

LONGEST_TEXT = 500  # characters of what somebody searches for, which may be pasted
LONGEST_IN_ADDRESS = 20_000  # of anything else in an address; a page of a list is named by a whole cell of it


class Unreadable(BadRequest):
    """The request holds a text that nobody typed. The text is for the person; the answer is a 400."""


def typed(sent: Mapping[str, str], name: str, limit: int = LONGEST_TEXT) -> str:
    """Return what was sent as `name`, without blanks around it; "" where nothing was.

    Raises Unreadable for a text with a NUL, and for one of more than `limit` characters.
    """
    text = sent.get(name, "")
    refuse_unreadable([text], limit)
    return text.strip()


def refuse_unreadable(texts: Iterable[str], limit: int = LONGEST_IN_ADDRESS) -> None:
    """Raise Unreadable if one of the texts has a NUL or more than `limit` characters."""
    for text in texts:
        if "\x00" in text:
            raise Unreadable("It holds a character that no list knows.")
        if len(text) > limit:
            raise Unreadable(f"It holds a text of {len(text):,} characters; at most {limit:,} are read.")


def refuse_unreadable_address(parameters: QueryDict, limit: int = LONGEST_IN_ADDRESS) -> None:
    """Refuse an address with a name or a value that cannot be read."""
    for name, values in parameters.lists():
        refuse_unreadable([name, *values], limit)
