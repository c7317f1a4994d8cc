"""The page of a destination, and what is done there: test, pause, resume, send again."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from activity.typed import typed
from activity.viewer import viewer
from sessions_app.errors import Refused
from sessions_app.outcome import confirmation, outcome
from sessions_app.siem.backlog import backlog, has_sender, is_silent
from sessions_app.siem.configuration import DESTINATIONS, state_badge
from sessions_app.siem.flows.send_again import send_again
from sessions_app.siem.flows.switch import pause, resume
from sessions_app.siem.flows.trial import send_trial
from sessions_app.siem.models import Destination


@require_safe
def siem_destination(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one destination: where it is, what it gets, and how far the delivery is."""
    destination, now = _destination(request, pk), timezone.now()
    waiting = backlog(destination)
    context = {
        "heading": destination.name,
        "destination": destination,
        "state": destination.state,
        "badge": state_badge(destination),
        "waiting": waiting,
        "is_silent": destination.is_active and is_silent(destination, waiting, now),
        "has_sender": has_sender(destination, now),
        "links": DESTINATIONS.links(request, destination),
    }
    return render(request, "sessions_app/siem/destination.html", context)


@require_POST
def siem_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test message, and say what happened."""
    destination = _destination(request, pk)
    is_sent, text = send_trial(viewer(request), destination)
    return outcome(request, [("success" if is_sent else "error", text)], destination.get_absolute_url())


@require_POST
def siem_switch(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Pause or resume the delivery."""
    destination = _destination(request, pk)
    if verb == "pause":
        line = f"Paused the delivery to {destination}." if pause(viewer(request), destination) else ""
    else:
        line = f"Resumed the delivery to {destination}." if resume(viewer(request), destination) else ""
    said = ("success", line) if line else ("info", "It was so already. Nothing was changed.")
    return outcome(request, [said], destination.get_absolute_url())


@require_http_methods(["GET", "HEAD", "POST"])
def siem_send_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask from which entry on the log is sent again (GET), and send it (POST)."""
    destination = _destination(request, pk)
    if request.method != "POST":
        return _ask_entry(request, destination)
    entry = typed(request.POST, "entry").strip()
    if not (entry.isascii() and entry.isdigit() and len(entry) < 19):
        return _ask_entry(request, destination, "Enter the number of an entry.", entry)
    try:
        send_again(viewer(request), destination, int(entry))
    except Refused as problem:
        return _ask_entry(request, destination, problem.message, entry)
    said = f"The log is sent to {destination} again, from entry {entry} on."
    return outcome(request, [("success", said)], destination.get_absolute_url())


def _ask_entry(request: HttpRequest, destination: Destination, problem: str = "", entry: str = "") -> HttpResponse:
    context = {
        "title": f"Send the log to {destination} again",
        "heading": "Send again",
        "destination": destination,
        "state": destination.state,
        "problem": problem,
        "entry": entry,
        "possible": destination.state.cursor > 0,
        "action_url": request.path,
        "back": destination.get_absolute_url(),
        "back_label": "Go back",
    }
    return confirmation(request, "sessions_app/siem/send_again.html", context, status=422 if problem else 200)


def _destination(request: HttpRequest, pk: int) -> Destination:
    found: Destination = get_object_or_404(DESTINATIONS.visible(viewer(request)).select_related("state"), pk=pk)
    return found
