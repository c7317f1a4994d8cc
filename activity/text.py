"""Text that is safe to show in a terminal, a log line or a table cell."""

import re

# C0 and C1 controls, and the bidirectional overrides that make a line read as something else.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def plain(text: object, limit: int | None = None) -> str:
    """`text` with control characters replaced by one space each run, cut to `limit` characters with an ellipsis."""
    line = _CONTROL.sub(" ", str(text)).strip()
    if limit is not None and len(line) > limit:
        return line[: limit - 1] + "…"
    return line
