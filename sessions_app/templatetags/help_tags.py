"""Tags that lead from a form, an empty list, an error or a finding to the very paragraph of the help."""

import re

from django import template
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from sessions_app.help.documents import document_url

register = template.Library()

MENTIONED = re.compile(r"docs/([a-z/-]+)\.md(#[\w-]+)?")


@register.simple_tag
def help_link(document: str, anchor: str = "", text: str = "Help") -> SafeString:
    """Return a link to a paragraph of a document, such as `{% help_link "hosts" "limits" "Limits of hosts" %}`."""
    address = document_url(document) + (f"#{anchor}" if anchor else "")
    return format_html('<a class="help-link" href="{}">{}</a>', address, text)


@register.filter
def with_help_links(text: str) -> SafeString:
    """Return a message as HTML in which each name of a document, such as docs/hosts.md#limits, is a link to it.

    On the command line the same messages name the file.
    """
    return mark_safe(MENTIONED.sub(_link, conditional_escape(text)))  # noqa: S308 - escaped, and so is _link


def _link(found: re.Match[str]) -> str:
    document, anchor = found[1], found[2] or ""
    return format_html('<a href="{}{}">the help on {}</a>', document_url(document), anchor, _subject(document, anchor))


def _subject(document: str, anchor: str) -> str:
    return (anchor[1:] or document.rpartition("/")[2]).replace("-", " ")
