"""Text that is safe to show in a terminal, a log line or a table cell, and which characters nobody sees.

Source of IGNORABLE: Unicode, DerivedCoreProperties.txt, Default_Ignorable_Code_Point; all of it is of no width.
"""

import re

# Each of these is written for between the brackets of a regular expression.
VARIANTS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"  # choose one of the shapes of the letter before
JOINERS = "\u200c\u200d"  # needed to write Persian and Hindi, and many an emoji
IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    f"\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff{VARIANTS}{JOINERS}"
)
# Controls, ends of lines and paragraphs, anchors of annotations, and a Braille pattern without a dot.
CONTROLS = "\x00-\x1f\x7f-\x9f\u2028\u2029\u2800\ufff9-\ufffb"
UNSEEN = CONTROLS + IGNORABLE

_VARIANT = re.compile(f"[{VARIANTS}]+")
_UNSEEN = re.compile(
    f"(?:(?![{JOINERS}])[{UNSEEN}])+"
    # A joiner has nothing to join where one of its neighbours is of ASCII, or missing.
    rf"|(?<![^\x00-\x7f])[{JOINERS}]+|[{JOINERS}]+(?![^\x00-\x7f])"
)


def plain(text: object, limit: int | None = None) -> str:
    """Return `text` on one line, cut to `limit` characters with an ellipsis.

    Each run of characters that nobody sees (controls, whatever turns the direction of writing, fillers, tags) becomes
    one space. With nothing in their place, two names that differ could become the same. Variants are shown as the
    letter that they are of; joiners stay between letters that they can join.
    """
    line = str(text)
    if not (line.isascii() and line.isprintable()):
        line = _UNSEEN.sub(" ", _VARIANT.sub("", line))
    line = line.strip()
    if limit is not None and len(line) > limit:
        return line[: limit - 1] + "…"
    return line
