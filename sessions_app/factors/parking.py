"""Keeps what was typed while its deed waits for a fresh factor.

The form travels through the browser as one encrypted text, so that nothing is stored and nothing that is secret stands
in a page, an address or a log. It is good for the login session and the address that it was made for, for a quarter of
an hour, and cannot be changed on the way.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from urllib.parse import urlsplit

from cryptography.fernet import Fernet, InvalidToken
from django.http import HttpRequest, QueryDict
from django.shortcuts import resolve_url
from django.utils.crypto import salted_hmac

from activity.addresses import safe_next
from sessions_app.logins.models import LoginSession

PREFIX = "confirm"
FIELD = f"{PREFIX}-form"
KEPT_FOR = 15 * 60  # seconds
SALT = "sessions_app.factors.parking"


class NotParked(Exception):
    """The text is no form of this login session and address, or it is too old."""


@dataclasses.dataclass(frozen=True, slots=True)
class ParkedForm:
    """A request that waits: its method and address, what was typed, and in words what it does.

    `target` is the id of the element that HTMX fills with the answer; empty where that is the dialog or nothing.
    """

    method: str
    address: str
    words: str
    fields: str  # as application/x-www-form-urlencoded
    target: str = ""
    back: str = "/"  # the path of the page that the person came from

    @property
    def is_reading(self) -> bool:
        return self.method != "POST"


def parked(request: HttpRequest, words: str) -> ParkedForm:
    """Return what the person sent, without the token against forgery and the fields of the question."""
    fields = request.POST.copy()
    for name in list(fields):
        if name == "csrfmiddlewaretoken" or name.startswith(f"{PREFIX}-"):
            del fields[name]
    method = "POST" if request.method == "POST" else "GET"
    target = request.headers.get("HX-Target", "")
    if target == "dialog":
        target = ""
    return ParkedForm(method, request.get_full_path(), words, fields.urlencode(), target, _page_before(request))


def _page_before(request: HttpRequest) -> str:
    """Return the path of the page that the person came from, if it is one of this host; else that of the start page."""
    came_from = urlsplit(request.headers.get("Referer", ""))
    path = f"{came_from.path}?{came_from.query}" if came_from.query else came_from.path
    is_here = came_from.netloc == request.get_host() and path != request.get_full_path()
    return resolve_url(safe_next(request, path if is_here else ""))


def seal_form(form: ParkedForm, login: LoginSession) -> str:
    """Return the form encrypted for this login session."""
    return _fernet().encrypt(json.dumps([login.pk, *dataclasses.astuple(form)]).encode()).decode()


def open_form(text: str, login: LoginSession) -> ParkedForm:
    """Return the form that was sealed for this login session. Raise NotParked."""
    try:
        plain = _fernet().decrypt(text.encode(), ttl=KEPT_FOR)
    except InvalidToken:
        raise NotParked from None  # without a cause, whose traceback would show the text
    owner, *values = json.loads(plain)
    if owner != login.pk:
        raise NotParked
    return ParkedForm(*values)


def unpark(request: HttpRequest, form: ParkedForm) -> None:
    """Make the request the one that waited. Raise NotParked if it goes to another address."""
    if request.get_full_path() != form.address:
        raise NotParked
    request.method = form.method
    request.META["REQUEST_METHOD"] = form.method
    request.POST = QueryDict(form.fields)


def _fernet() -> Fernet:
    key = salted_hmac(SALT, "", algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(key))
