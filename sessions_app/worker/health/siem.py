"""Check that the log reaches its destinations: what waits, when the last delivery was, and what went wrong last."""

from __future__ import annotations

import concurrent.futures
import datetime as dt

from django.utils import timezone

from sessions_app.sealing import SealingError, unseal
from sessions_app.siem.backlog import backlog, has_sender, is_silent
from sessions_app.siem.errors import DeliveryError
from sessions_app.siem.models import Destination, Transport
from sessions_app.siem.outlet import Outlet
from sessions_app.worker.health.findings import Finding, error, ok, warning

NAME = "SIEM destinations"
REMEDY = "Open the destination's page and send a test message: docs/evidence.md#when-nothing-arrives."
DESTINATIONS_AT_A_TIME = 8
MOST_NAMED = 10  # destinations that are described; those with problems come first


def siem() -> Finding:
    """Check each destination: whether a worker sends to it, whether it is silent, whether its secrets can be opened."""
    destinations = list(Destination.objects.select_related("state").order_by("name"))
    if not destinations:
        return ok(NAME, "The log is sent nowhere.")
    now = timezone.now()
    wrong, careful, fine = [], [], []
    for destination in destinations:
        waiting = backlog(destination)
        text = f"{destination}: {waiting.words}, {_last(destination, now)}"
        if not destination.is_active:
            careful.append(f"{destination} is paused, {waiting.words}")
        elif problem := _problem(destination, now, silent=is_silent(destination, waiting, now)):
            wrong.append(f"{text}. {problem}")
        elif destination.state.attempts:
            careful.append(f"{text}. {destination.state.last_error}")
        else:
            fine.append(text)
    said = [one.rstrip(".") for one in (*wrong, *careful, *fine)]
    more = f" And {len(said) - MOST_NAMED} more." if len(said) > MOST_NAMED else ""
    words = f"{'. '.join(said[:MOST_NAMED])}.{more}"
    if wrong:
        return error(NAME, words, REMEDY)
    return warning(NAME, words, REMEDY) if careful else ok(NAME, words)


def check_destinations() -> list[Finding]:
    """Connect to every active destination without sending anything, several at a time. Return one finding for each."""
    destinations = list(Destination.objects.filter(is_active=True).order_by("name"))
    with concurrent.futures.ThreadPoolExecutor(DESTINATIONS_AT_A_TIME) as pool:
        return list(pool.map(_reach, destinations))


def _reach(destination: Destination) -> Finding:
    name = f"SIEM {destination}"
    try:
        outlet = Outlet(destination)
        try:
            outlet.reach()
        finally:
            outlet.close()
    except DeliveryError as problem:
        return error(name, f"Nothing can be delivered: {problem}", REMEDY)
    if destination.transport == Transport.UDP:
        return ok(name, f"Datagrams go to {destination.place}; nobody says whether they arrive.")
    return ok(name, f"{destination.place} answers.")


def _problem(destination: Destination, now: dt.datetime, *, silent: bool) -> str:
    try:
        for sealed in filter(None, (destination.client_key, destination.secret, destination.former_secret)):
            unseal(sealed)
    except SealingError as problem:
        return str(problem)
    state = destination.state
    if silent:
        return f"It is silent: {state.last_error or 'no worker sends to it'}"
    if not has_sender(destination, now) and state.began_at < now - dt.timedelta(minutes=2):
        return "No worker sends to it"
    return ""


def _last(destination: Destination, now: dt.datetime) -> str:
    at = destination.state.delivered_at
    if at is None:
        return "nothing was delivered yet"
    seconds = max((now - at).total_seconds(), 0.0)
    if seconds < 120:
        return f"last delivery {seconds:.0f} s ago"
    return f"last delivery at {at:%Y-%m-%d %H:%M:%S} UTC"
