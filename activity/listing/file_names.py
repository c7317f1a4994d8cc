"""What a download is called: in every script, and in characters that every file system takes. Knows no list."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

LONGEST_PART = 60  # bytes of one part; file systems take 255 of a whole name
WITHOUT_LETTERS = "other"  # stands for a text of signs alone, which is not the same as no text


def part_of_name(text: str) -> str:
    """Return `text` in small letters, with its letters, marks and digits, and a hyphen where words meet.

    "" for no text, WITHOUT_LETTERS for a text that has none of these.
    """
    folded = unicodedata.normalize("NFKC", text).strip().lower()
    readable = "".join(each if _stays(each) else " " if each.isspace() or each == "-" else "" for each in folded)
    words = re.sub(r"\s+", "-", readable.strip())
    shortened = words.encode()[:LONGEST_PART].decode(errors="ignore").strip("-_")
    return shortened or (WITHOUT_LETTERS if folded else "")


def _stays(character: str) -> bool:
    return character == "_" or unicodedata.category(character)[0] in "LMN"


def attachment(name: str) -> str:
    """Return the Content-Disposition of a file that is called so.

    A name beyond ASCII is given in both forms of RFC 6266: programs that do not know `filename*` get its letters
    without their marks, and an underscore for each that has no such form.
    """
    if name.isascii():
        return f'attachment; filename="{name}"'
    bare = "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each))
    simple = "".join(each if each.isascii() else "_" for each in bare)
    return f"attachment; filename=\"{simple}\"; filename*=UTF-8''{quote(name, safe='')}"
