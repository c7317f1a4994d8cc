"""Views that tell how the server understands a field while somebody fills in a form."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.html import conditional_escape
from django.views.decorators.http import require_safe

from activity.typed import LONGEST_TEXT, refuse_unreadable
from sessions_app.configuration.durations import BadDuration, in_words, read_duration


@require_safe
def duration_echo(request: HttpRequest) -> HttpResponse:
    """Return how the duration in the address is read, or why it cannot be, whatever its parameter is called."""
    text = typed_text(request)
    try:
        words = f"= {in_words(read_duration(text))}" if text.strip() else ""
    except BadDuration as problem:
        words = str(problem)
    return HttpResponse(conditional_escape(words))


def typed_text(request: HttpRequest) -> str:
    """Return what was typed into the field, whatever it is called. Raise Unreadable for a text that nobody typed."""
    texts = [text for name in request.GET for text in request.GET.getlist(name)]
    refuse_unreadable(texts, LONGEST_TEXT)
    return texts[-1] if texts else ""
