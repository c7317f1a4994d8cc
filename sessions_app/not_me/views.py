"""The pages of “This wasn't me”. To open the link changes nothing, because mail scanners do; its button acts."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from django.contrib import auth, messages
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from activity import limits
from activity.outage import Outage
from activity.viewer import viewer
from sessions_app.error_pages import too_many, unavailable
from sessions_app.errors import Refused
from sessions_app.logins.backend import current_login
from sessions_app.logins.in_words import browser_of, place_of
from sessions_app.logins.models import LoginSession, NewDeviceNotice
from sessions_app.logins.notices import shown_to
from sessions_app.not_me.flows.new_password import set_new_password
from sessions_app.not_me.flows.report import report, report_of
from sessions_app.not_me.forms import NewPasswordAfterReportForm
from sessions_app.not_me.links import login_of
from sessions_app.not_me.models import NotMeReport
from sessions_app.outcome import confirmation, outcome

logger = logging.getLogger(__name__)

OPENINGS = 30  # of one link within ten minutes, by anybody
NOT_DONE = "Nothing was changed: nobody was logged out, and the password is as it was. Try again in a minute."

View = Callable[..., HttpResponse]
get_or_post = require_http_methods(["GET", "HEAD", "POST"])


def by_link(view: View) -> View:
    """Give the view the login that the link names.

    A link that is not ours, or too old, gets a page that says so, and costs no query.
    """

    @login_not_required
    @never_cache
    @get_or_post
    @functools.wraps(view)
    def opened(request: HttpRequest, signed: str) -> HttpResponse:
        login = login_of(signed)
        if login is None:
            response = render(request, "sessions_app/not_me/link_over.html", status=404)
        elif wait := limits.count("not-me", login.pk, 1, OPENINGS, 600):
            response = too_many(request, "This link was opened too often. Nothing was changed. Wait a little.", wait)
        else:
            response = view(request, signed, login)
        response["Referrer-Policy"] = "strict-origin"  # no other request says this address, which acts
        return response

    return opened


@by_link
def not_me(request: HttpRequest, signed: str, login: LoginSession) -> HttpResponse:
    """Show the login and the button (GET), or do what the button says (POST), and then what was done."""
    if request.method == "POST":
        if (failed := _report(request, login, is_by_link=True)) is not None:
            return failed
        return redirect("not_me", signed)
    made = report_of(login)
    context = {**_words(login), "signed": signed, "report": made}
    if made is None:
        return render(request, "sessions_app/not_me/ask.html", context)
    return render(request, "sessions_app/not_me/done.html", {**context, "can_set": _can_set(made)})


@sensitive_post_parameters()
@by_link
def not_me_password(request: HttpRequest, signed: str, login: LoginSession) -> HttpResponse:
    """Set a new password after the report. The person logs in with it afterwards, as always."""
    made = report_of(login)
    if made is None or not _can_set(made):
        return redirect("not_me", signed)
    form = NewPasswordAfterReportForm(request.POST if request.method == "POST" else None, request=request, report=made)
    if form.is_valid():
        try:
            set_new_password(made, form.cleaned_data["new_password1"])
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "Your new password is set. Log in with it.")
            return redirect("login")
    context = {"form": form, "signed": signed, "user_name": login.user_name}
    return render(request, "sessions_app/not_me/password.html", context, status=422 if form.is_bound else 200)


@get_or_post
def login_not_me(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask (GET) and do the same (POST) for a login of one's own, by the person who is logged in."""
    login = get_object_or_404(LoginSession.objects.select_related("user"), pk=pk, user_id=viewer(request).pk)
    if request.method != "POST":
        context = {
            **_words(login),
            "title": "This wasn't me",
            "heading": "Session Information",
            "possible": report_of(login) is None,
            "is_current": login == current_login(request),
            "action_url": reverse("login_not_me", args=[pk]),
            "back": reverse("logins"),
            "back_label": "Back to Session Information",
        }
        return confirmation(request, "sessions_app/not_me/confirm.html", context)
    if (failed := _report(request, login, is_by_link=False)) is not None:
        return failed
    made = report_of(login)
    if made is None:
        raise Http404
    auth.logout(request)  # deletes the content of this browser's session, which is over
    return render(request, "sessions_app/not_me/done.html", {**_words(login), "report": made})


@require_POST
def new_device_seen(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a notice about a new device off the person's pages, because it was theirs."""
    notice = get_object_or_404(shown_to(viewer(request), current_login(request)), pk=pk)
    NewDeviceNotice.objects.filter(pk=notice.pk, seen_at=None).update(seen_at=timezone.now())
    return outcome(request, [("success", "The notice is gone; the device counts as yours.")], reverse("home"))


def _report(request: HttpRequest, login: LoginSession, *, is_by_link: bool) -> HttpResponse | None:
    """Do it. Return a page if it was not accepted because of an outage."""
    try:
        report(login, is_by_link=is_by_link)
    except (DatabaseError, InterfaceError) as error:
        outage = Outage.of(error)
        if outage is None:
            raise
        logger.warning("A report about login session %s was not accepted", login.pk, exc_info=error)
        return unavailable(request, outage, NOT_DONE)
    return None


def _can_set(made: NotMeReport) -> bool:
    """Return whether a new password can be set by the link."""
    return bool(made.void_password) and not made.user.has_usable_password()


def _words(login: LoginSession) -> dict[str, Any]:
    return {"login": login, "place": place_of(login), "browser": browser_of(login)}
