"""Records who reads what: the log, the log of a session, a recording, a report (PCI DSS 10.2.1.3)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError, InterfaceError, models
from django.http import HttpRequest, HttpResponseBase

from activity.listing.response import is_refresh
from activity.once import record_once
from activity.outage import Outage
from activity.patience import waiting_at_most
from activity.period import DEFAULT
from activity.text import plain
from activity.verbs import Verb
from activity.viewer import viewer

WAIT_SECONDS = 2.0  # for a busy SQLite database
NO_FILTERS = frozenset(
    {"sort", "after", "before", "last", "day", "top", "tab", "t", "view"}
)  # where and how, but not what

logger = logging.getLogger(__name__)


def note_reading(
    request: HttpRequest,
    response: HttpResponseBase,
    verb: Verb,
    message: str,
    *,
    user: AbstractBaseUser | None = None,
    target: models.Model | None = None,
    details: Mapping[str, Any] | None = None,
    is_needed: bool = False,
) -> None:
    """Record that the person reads what this response shows, once in 15 minutes for each person, view and filter.

    `message` is a sentence without its full stop, such as "Read the activity log". The filter is that of the address:
    a fragment with another filter is another look; its next page, and a refresh by the page itself, are none. Downloads
    have entries of their own, and what was not found was not read.

    In an outage the page is shown, because it may be what ends the outage; the log of the web server says who read it.
    Where `is_needed`, the database's error is raised instead, so that nothing is shown.
    """
    if request.method != "GET" or response.status_code != 200 or response.streaming or is_refresh(request):
        return
    person = viewer(request)
    # Not in the message: else who looks for a word would find that they looked for it.
    more = {**(details or {}), "filters": filters_of(request)}
    try:
        with waiting_at_most(WAIT_SECONDS):
            record_once(verb, message, actor=person, user=user, target=target, details=more)
    except (DatabaseError, InterfaceError) as error:
        outage = Outage.of(error)
        if outage is None or is_needed:
            raise
        said = plain(f"{message} by {person}: {more}")
        logger.error("Not in the activity log: %s. %s: %s", said, outage.heading, plain(error))


def filters_of(request: HttpRequest) -> dict[str, str]:
    """Return what the address narrows the rows by. The period that counts without a choice is no filter."""
    found = {name: ",".join(filter(None, values)) for name, values in request.GET.lists() if name not in NO_FILTERS}
    return {name: value for name, value in found.items() if value and (name, value) != ("period", DEFAULT)}
