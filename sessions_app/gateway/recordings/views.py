"""The pages of recordings: the list and the search across them, the replay, the live view, and the files.

It is logged when somebody opens or downloads one. The player's own request for the file is part of the opening: it
carries a token that only the page gives, and that is valid for this person and this recording.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import Any
from urllib.parse import urlencode

from csp.decorators import csp_update
from django.contrib.auth.models import AbstractUser
from django.contrib.staticfiles import finders
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.core.files.base import File
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from activity import limits, log
from activity.downloads import FileDownload, StreamedDownload, take_slot
from activity.listing import list_response
from activity.listing.response import is_fragment
from activity.models import Level
from activity.names import name_now
from activity.reading import note_reading
from activity.typed import typed
from activity.verbs import Verb
from activity.viewer import viewer
from sessions_app.error_pages import storage_failed
from sessions_app.gateway.recordings import assemble
from sessions_app.gateway.recordings.filters import LineFilters, RecordingFilters, line_search
from sessions_app.gateway.recordings.models import Recording, RecordingChunk, RecordingText
from sessions_app.gateway.recordings.replay_marks import find as find_lines
from sessions_app.gateway.recordings.replay_marks import replay_marks
from sessions_app.gateway.recordings.storage import StorageFailed, opened
from sessions_app.gateway.recordings.tables import RECORDINGS_TABLE, clock, facts_of, hits_table, replay_url, state
from sessions_app.privileged.session_log import entries_of
from sessions_app.privileged.status_badges import status_cell
from sessions_app.privileged.tables import refusals_for, sessions_queryset
from sessions_app.privileged.toolbar import page_buttons
from sessions_app.refreshing_pages import live_response
from sessions_app.request_limits import hold_live_view
from sessions_app.roles import is_administrator, sees_everything

logger = logging.getLogger(__name__)

PLAYER = "vendor/asciinema-player.js"
SALT = "sessions_app.recording"  # keeps these tokens apart from other signatures
TOKEN_SECONDS = 12 * 60 * 60
LIVE_BYTES = 1024 * 1024  # of one answer to the live view; the next comes at once while there is more
LIVE_PIECES = 200
CONTROLS = ("lock", "unlock", "terminate")  # beside the live view
# The player runs the terminal as WebAssembly. This allows that and nothing else: no eval, no inline script.
PLAYER_POLICY = {"script-src": ["'wasm-unsafe-eval'"]}


def _visible(person: AbstractUser) -> QuerySet[Recording]:
    return Recording.objects.visible_to(person).select_related("session__user", "session__profile", "connection")


def _has_player() -> bool:
    """Return whether `scripts/vendor.py` has installed the player."""
    return finders.find(PLAYER) is not None


@require_safe
def recordings(request: HttpRequest) -> HttpResponseBase:
    """Show the list of recordings or, with a search, the lines that were on their screens."""
    person = viewer(request)
    words = typed(request.GET, "q")
    context: dict[str, Any] = {"heading": "Recordings", "is_search": bool(words)}
    template = "sessions_app/gateway/recordings/recordings.html"
    if not words:
        rows = Recording.objects.visible_to(person).select_related("session")
        rows = rows.annotate(user_now=name_now("session__user_id"))
        # Whoever configures the console finds behind the link what is recorded.
        add_link = ("Connection profiles", reverse("profiles")) if is_administrator(person) else ("", "")
        return list_response(
            request,
            dataclasses.replace(RECORDINGS_TABLE, add_link=add_link),
            rows,
            template,
            filterset=RecordingFilters,
            context=context,
            csv_name="recordings",
        )
    # The lines of one that is being closed are written little by little.
    lines = RecordingText.objects.filter(recording__ended_at__isnull=False).select_related("recording__session")
    if not sees_everything(person):
        lines = lines.filter(recording__session__user_id=person.pk)
    lines = lines.annotate(user_now=name_now("recording__session__user_id"))
    lines = line_search(words).narrowed(lines)
    response = list_response(
        request, hits_table(words), lines, template, filterset=LineFilters, context=context, csv_name="recording-lines"
    )
    note_reading(request, response, Verb.RECORDING_VIEWED, "Searched what is on recordings")
    return response


@csp_update(PLAYER_POLICY)  # type: ignore[arg-type]  # its type knows views without arguments only
@require_safe
def recording(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show the replay, with commands and events beside it. A recording that still runs is shown live."""
    person = viewer(request)
    row = get_object_or_404(_visible(person), pk=pk)
    if row.ended_at is None:
        return redirect("recording_live", pk=row.pk)
    words = typed(request.GET, "find")
    window = entries_of(row.session).filter(at__gte=row.started_at, at__lte=row.ended_at)
    beside = replay_marks(row, window.order_by("pk")[:500])
    context = {
        "heading": f"Recording of {row.session}",
        "number": row.pk,
        "recording": row,
        "state": state(row),
        "length": clock(row.duration.total_seconds()),
        "facts": facts_of(row),
        "find": words,
        "found": [_shown(line.recording_id, line.at, line.text) for line in find_lines(row, words)] if words else [],
        "marks": [_shown(row.pk, one.at, one.text, one.kind) for one in beside],
        "markers": json.dumps([[one.at, one.text[:100]] for one in beside if one.kind != "command"]),
        "start": _seconds(typed(request.GET, "t")),
        "cast_url": f"{reverse('recording_cast', args=[row.pk])}?{urlencode({'view': _token(person, row)})}",
        "has_player": _has_player(),
        "may_read_typed": bool(row.input_path) and is_administrator(person),
    }
    response = render(request, "sessions_app/gateway/recordings/recording.html", context)
    response["Cache-Control"] = "no-store"
    if row.removed_at is None:
        _note_look(request, response, Verb.RECORDING_VIEWED, f"Opened the replay of {_name(row)}", row)
    return response


@require_safe
def recording_cast(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send the file in asciicast v2. A download is logged, unless it is the player's."""
    person = viewer(request)
    row = get_object_or_404(_visible(person).exclude(path=""), pk=pk)
    try:
        file = _file(row, row.path)
    except StorageFailed:
        return storage_failed(request)
    is_replay = _is_token(typed(request.GET, "view"), person, row)
    slot = _slot(person, file, is_replay=is_replay)
    if not is_replay:
        _note(Verb.RECORDING_DOWNLOADED, f"Downloaded {_name(row)}", person, row)
    response = FileDownload(
        slot, file, as_attachment=True, filename=f"recording-{row.pk}.cast", content_type="application/x-asciicast"
    )
    response["Cache-Control"] = "private, no-store"
    return response


@require_safe
def recording_typed(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send what was typed, to administrators only, because it can hold passwords. This is logged as a warning."""
    person = viewer(request)
    row = get_object_or_404(_visible(person), pk=pk)
    if not is_administrator(person):
        raise PermissionDenied("Only administrators read what was typed, because it can hold passwords.")
    if not row.input_path:
        raise Http404
    try:
        file = _file(row, row.input_path)
    except StorageFailed:
        return storage_failed(request)
    slot = _slot(person, file)
    _note(Verb.RECORDING_DOWNLOADED, f"Downloaded what was typed in {_name(row)}", person, row, Level.WARNING)
    response = StreamedDownload(slot, assemble.typed_lines(row, file), content_type="application/x-asciicast")
    response["Content-Disposition"] = f'attachment; filename="recording-{row.pk}-typed.cast"'
    response["Cache-Control"] = "private, no-store"
    return response


@csp_update(PLAYER_POLICY)  # type: ignore[arg-type]  # its type knows views without arguments only
@require_safe
def recording_live(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a running session's terminal, a second behind, with the controls beside it."""
    person, is_opening = viewer(request), not is_fragment(request)
    row = get_object_or_404(_visible(person), pk=pk)
    if row.ended_at is not None and is_opening:
        return redirect("recording", pk=row.pk)
    session = get_object_or_404(sessions_queryset(person).select_related("user", "resource"), pk=row.session_id)
    buttons = page_buttons(person, refusals_for(person)(session))
    token = _token(person, row)
    if is_opening:
        hold_live_view(person, token)
    context = {
        "heading": f"Live: {session}",
        "number": row.pk,
        "recording": row,
        "session": session,
        "status": status_cell(session),
        "buttons": [button for button in buttons if button.verb in CONTROLS and not button.refused],
        "pieces_url": f"{reverse('recording_pieces', args=[row.pk])}?{urlencode({'view': token})}",
        "has_player": _has_player(),
    }
    response = live_response(
        request,
        "sessions_app/gateway/recordings/recording_live.html",
        "sessions_app/gateway/recordings/recording_live_body.html",
        context,
    )
    response["Cache-Control"] = "no-store"
    if is_opening:
        _note_look(request, response, Verb.RECORDING_WATCHED, f"Opened the live view of {_name(row)}", row)
    return response


@require_safe
def recording_pieces(request: HttpRequest, pk: int) -> HttpResponse:
    """Send what was recorded after the piece `after`, for the live view, which asks once a second."""
    person = viewer(request)
    row = get_object_or_404(_visible(person), pk=pk)
    token = typed(request.GET, "view")
    if not _is_token(token, person, row):
        raise PermissionDenied("Open the live view; it asks for this by itself.")
    hold_live_view(person, token)
    text = typed(request.GET, "after")
    after = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
    pieces = RecordingChunk.objects.filter(recording=row, number__gt=after).order_by("number")
    data, size = [], 0
    for number, piece in pieces.values_list("number", "data")[:LIVE_PIECES].iterator(chunk_size=20):
        data.append(bytes(piece))
        size += len(piece)
        after = number
        if size > LIVE_BYTES:
            break
    response = JsonResponse(
        {
            "lines": b"".join(data).decode(),
            "after": after,
            "has_more": size > LIVE_BYTES or len(data) == LIVE_PIECES,
            "is_over": row.ended_at is not None or (not data and row.connection.ended_at is not None),
        }
    )
    response["Cache-Control"] = "no-store"
    return response


def _shown(recording_id: int, at: float, text: str, kind: str = "line") -> dict[str, Any]:
    return {"at": f"{at:.3f}", "clock": clock(at), "url": replay_url(recording_id, at), "text": text, "kind": kind}


def _seconds(text: str) -> float:
    """Return where the replay begins; 0 for what is no number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 10_000_000 else 0.0


def _file(row: Recording, name: str) -> File[bytes]:
    """Return a file of a recording. Raises Http404 when it is gone, and StorageFailed, which is logged."""
    try:
        file: File[bytes] = opened(name)
    except FileNotFoundError as error:
        raise Http404 from error
    except StorageFailed:
        logger.exception("The file %s of %s cannot be read", name, row)
        raise
    return file


def _slot(person: AbstractUser, file: File[bytes], *, is_replay: bool = False) -> limits.Slot:
    """Reserve a slot for the download of `file`, which is closed when there is none. Raises limits.TooMany."""
    try:
        return take_slot(person, is_replay=is_replay)
    except limits.TooMany:
        file.close()
        raise


def _token(person: AbstractUser, row: Recording) -> str:
    return signing.dumps([person.pk, row.pk], salt=SALT)


def _is_token(token: str, person: AbstractUser, row: Recording) -> bool:
    try:
        good: bool = signing.loads(token, salt=SALT, max_age=TOKEN_SECONDS) == [person.pk, row.pk]
    except signing.BadSignature:
        return False
    return good


def _name(row: Recording) -> str:
    return f"{str(row).lower()} ({row.session.user_name} on {row.session.resource_name})"


def _note_look(request: HttpRequest, response: HttpResponse, verb: Verb, message: str, row: Recording) -> None:
    """Record that somebody sees the recording. Raise the database's error when this cannot be logged."""
    details = {"recording": row.pk, "sha256": row.sha256}
    note_reading(
        request, response, verb, message, user=row.session.user, target=row.session, details=details, is_needed=True
    )


def _note(verb: Verb, message: str, person: AbstractUser, row: Recording, level: Level = Level.INFO) -> None:
    details = {"recording": row.pk, "sha256": row.sha256}
    log.record(verb, message, actor=person, user=row.session.user, target=row.session, level=level, details=details)
