"""Steps in the Django admin: send a form, and read what the next page and the log say."""

from __future__ import annotations

import html
from typing import Any

from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb


def said(response: Any) -> str:
    return html.unescape(response.content.decode())


def send(client: Client, path: str, **values: Any) -> str:
    """Post a form of the admin; returns what the next page says. Fails when the form came back with errors."""
    response = client.post(path, values, follow=True)
    assert response.status_code == 200
    assert response.redirect_chain, said(response)
    return said(response)


def last(verb: Verb) -> LogEntry:
    return LogEntry.objects.filter(verb=verb).latest("pk")
