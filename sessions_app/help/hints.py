"""Sentences on screens that end with a link to a paragraph of the help."""

from __future__ import annotations

from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString

from sessions_app.help.documents import document_url


def _help_hint(text: str, document: str, anchor: str, words: str) -> SafeString:
    return format_html('{} <a href="{}#{}">{}</a>.', text, document_url(document), anchor, words)


# Return a text with a link to a paragraph of a document behind it, as HTML. It is written when it is shown, so that
# modules can use it for constants before the addresses are known.
help_hint = lazy(_help_hint, SafeString)
