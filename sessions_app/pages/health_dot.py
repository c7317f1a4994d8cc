"""Whether the link to the page Health carries a dot: the checks found an error when they last looked.

A page asks nothing for it: it shows what this process knows. Only the `alive` request of an administrator runs the
checks, at most once in a minute and process, which takes about as long as one view of the page Health. The check that
writes to the database is left out, because on a busy SQLite it would hold the request up for seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from django.utils.html import format_html
from django.utils.safestring import SafeString

from sessions_app.worker.health import checks
from sessions_app.worker.health.findings import Finding
from sessions_app.worker.health.writing import writing

EVERY_SECONDS = 60.0
NOT_ASKED = frozenset({writing})


class HealthDot:
    """Keeps what the checks found, and when."""

    def __init__(self) -> None:
        self._wrong: tuple[str, ...] = ()  # names of the checks that found an error
        self._looked_at = float("-inf")
        self._looking = threading.Lock()

    def look(self) -> None:
        """Run the checks, unless they ran within a minute or another thread is at it."""
        if time.monotonic() - self._looked_at < EVERY_SECONDS or not self._looking.acquire(blocking=False):
            return
        try:
            self.keep(checks.run_quick_checks(NOT_ASKED))
        finally:
            self._looking.release()

    def keep(self, found: Iterable[Finding]) -> None:
        """Remember what somebody found who ran the checks just now."""
        self._wrong = tuple(one.name for one in found if one.is_error)
        self._looked_at = time.monotonic()

    def forget(self) -> None:
        """Forget what was found, and look again at the next request."""
        self._wrong = ()
        self._looked_at = float("-inf")

    def html(self) -> SafeString:
        """Return the dot with the names of what is wrong; empty while nothing is known to be wrong."""
        if not self._wrong:
            return SafeString("")
        words = f"Wrong: {', '.join(self._wrong)}"
        return format_html('<span class="dot" role="img" aria-label="{0}" title="{0}"></span>', words)


dot = HealthDot()
