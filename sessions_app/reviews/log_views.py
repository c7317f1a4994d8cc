"""The pages of reviews of the log: the list, one review, its exceptions, and signing it off."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from activity.listing import list_response, short_time
from activity.times_in_text import with_local_times
from activity.viewer import viewer
from sessions_app.errors import Refused
from sessions_app.outcome import outcome
from sessions_app.reviews.access_views import ask, export, form_page
from sessions_app.reviews.export import log_review_file
from sessions_app.reviews.flows import log_review as flows
from sessions_app.reviews.log_forms import (
    AnswerForm,
    ExceptionForm,
    LogReviewForm,
    SignForm,
    asked_for,
    proposed_period,
)
from sessions_app.reviews.log_tables import REVIEWS, LogReviewFilters, rows, state_badge
from sessions_app.reviews.models import LogReview, ReviewException
from sessions_app.reviews.what_was_looked_at import kept
from sessions_app.roles import sees_everything

get_or_post = require_http_methods(["GET", "HEAD", "POST"])
READERS_ONLY = "Only administrators and auditors see the reviews of the log."
AUDITORS_ONLY = "Only auditors review the log."


@require_safe
def reviews(request: HttpRequest) -> HttpResponseBase:
    """Show the reviews of the log."""
    person = viewer(request)
    if not sees_everything(person):
        raise PermissionDenied(READERS_ONLY)
    table = REVIEWS
    if flows.is_auditor(person):
        table = dataclasses.replace(REVIEWS, add_link=("Review a period", reverse("log_review_add")))
    context = {"heading": "Reviews of the log", "tab": "reviews"}
    template = "sessions_app/reviews/list.html"
    return list_response(request, table, rows(), template, filterset=LogReviewFilters, context=context)


@get_or_post
def log_review_add(request: HttpRequest) -> HttpResponse:
    """Show the form for a new review (GET; an address of the log gives the filter), or begin it (POST)."""
    _require_auditor(request)
    if request.method == "POST":
        form = LogReviewForm(request.POST)
    else:
        form = LogReviewForm(initial={**proposed_period(), "filters": kept(request.GET).urlencode()})
    form.person = viewer(request)
    if form.is_bound and not form.is_unfinished and form.is_valid():
        review = form.try_to_save(viewer(request))
        if review is not None:
            said = "The review has begun. Look through the log, add exceptions, then sign it off."
            return outcome(request, [("success", said)], review.get_absolute_url(), leaves_page=True)
    return form_page(request, form, "Review a period of the log", "Begin the review", reverse("reviews"))


@require_safe
def log_review(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one review: the period, its exceptions with their answers, and the signed statement."""
    person, review = viewer(request), _review(request, pk)
    is_draft = review.signed_at is None
    context = {
        "heading": "Review of the log",
        "number": review.pk,
        "review": review,
        "state": state_badge(review),
        "exceptions": [
            (each, _is_open(each))
            for each in review.exceptions.select_related("asked", "answered_by", "closed_by").order_by("entry_at", "pk")
        ],
        "overlaps": flows.overlapping(review),
        "log_url": _log_url(review),
        "may_change": is_draft and flows.is_auditor(person),
        "is_draft": is_draft,
    }
    return render(request, "sessions_app/reviews/log_review.html", context)


def _is_open(exception: ReviewException) -> bool:
    return exception.closed_at is None


def _log_url(review: LogReview) -> str:
    """Return the address of the log with the days of the period, and with the filters of the review."""
    since, until = timezone.localtime(review.since), timezone.localtime(review.until - dt.timedelta(seconds=1))
    days = {"period": "custom", "since": since.date().isoformat(), "until": until.date().isoformat()}
    filters = QueryDict(review.filters).items()
    return f"{reverse('activity_log')}?{urlencode([*days.items(), *filters])}"


@get_or_post
def log_review_sign(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask whether to sign the period off (GET), or sign it (POST)."""
    review = _review(request, pk)
    _require_auditor(request)
    form = SignForm(request.POST) if request.method == "POST" else SignForm()
    problem = ""
    if form.is_valid():
        try:
            signed = flows.sign_off(
                viewer(request), review, agreed=form.agreed_numbers, exceptions=form.cleaned_data["exceptions"]
            )
        except Refused as refused:
            problem = refused.message
        else:
            text = f"Signed off {signed.entries:,} entries."
            lines = [("success", text)]
            if not signed.signed_note:
                lines.append(("warning", "There is no signing key, so the statement has no signature."))
            return outcome(request, lines, signed.get_absolute_url(), leaves_page=True)
    review.refresh_from_db()
    others = flows.overlapping(review)
    context = {
        "title": "Sign off the log",
        "review": review,
        "exception_count": review.exceptions.count(),
        "overlaps": others,
        "overlap_numbers": ",".join(str(one.pk) for one in others),
        "problem": problem,
        "possible": review.signed_at is None,
        "template": "sessions_app/reviews/sign.html",
        "back": review.get_absolute_url(),
    }
    return ask(request, context, status=422 if form.is_bound else 200)


@get_or_post
def log_review_discard(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask whether to discard a review that is not signed (GET), or discard it (POST)."""
    review = _review(request, pk)
    _require_auditor(request)
    if request.method == "POST":
        try:
            flows.discard_log_review(viewer(request), review)
        except Refused as refused:
            return outcome(request, [("error", refused.message)], review.get_absolute_url(), leaves_page=True)
        return outcome(request, [("success", "The review was discarded.")], reverse("reviews"), leaves_page=True)
    context = {
        "title": "Discard the review",
        "question": f"Discard review #{review.pk}?",
        "text": "Its exceptions and their answers are deleted. The activity log keeps what was done.",
        "button": "Discard",
        "possible": review.signed_at is None,
        "impossible": flows.SIGNED,
        "is_danger": True,
        "back": review.get_absolute_url(),
    }
    return ask(request, context)


@require_safe
def log_review_export(request: HttpRequest, pk: int) -> HttpResponse:
    """Send the review with its exceptions, answers and signature as JSON, and log it."""
    review = _review(request, pk)
    return export(request, review, log_review_file(review), f"log-review-{review.pk}")


@get_or_post
def review_exception_add(request: HttpRequest) -> HttpResponse:
    """Show the form for an exception (GET; the address may name review and entry), or add it (POST)."""
    _require_auditor(request)
    form = ExceptionForm(request.POST) if request.method == "POST" else ExceptionForm(initial=asked_for(request.GET))
    if form.is_valid():
        values = form.cleaned_data
        try:
            made = flows.add_exception(
                viewer(request), values["review"], values["entry"], values["note"], values["asked"]
            )
        except Refused as refused:
            form.add_error(refused.field or None, refused.message)
        else:
            said = f"Entry {made.entry_id} is an exception of review {made.review_id}."
            return outcome(request, [("success", said)], made.review.get_absolute_url(), leaves_page=True)
    context = {
        "heading": "Add an exception to a review",
        "form": form,
        "has_drafts": LogReview.objects.filter(signed_at=None).exists(),
        "back": reverse("reviews"),
    }
    return render(request, "sessions_app/reviews/exception_add.html", context, status=422 if form.is_bound else 200)


@get_or_post
def review_exception(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one exception to those who read everything and to the person who is asked (GET), or answer it (POST)."""
    person, exception = viewer(request), _exception(request, pk)
    why_not = flows.why_not_answer(person, exception)
    form = AnswerForm(request.POST if request.method == "POST" else None, initial={"answer": exception.answer})
    if request.method == "POST" and why_not and exception.closed_at is None:
        raise PermissionDenied(why_not)
    if form.is_valid():
        try:
            flows.answer_exception(person, exception, form.cleaned_data["answer"])
        except Refused as refused:
            form.add_error(None, refused.message)
        else:
            return outcome(
                request, [("success", "Your answer is kept.")], exception.get_absolute_url(), leaves_page=True
            )
    context = {
        "heading": f"Exception to entry {exception.entry_id}",
        "number": exception.pk,
        "exception": exception,
        "message": with_local_times(exception.entry_message),
        "at": short_time(exception.entry_at),
        "form": form,
        "may_answer": not why_not,
        "may_close": exception.closed_at is None and flows.is_auditor(person),
        "may_remove": exception.review.signed_at is None and flows.is_auditor(person),
        "sees_review": sees_everything(person),
    }
    return render(request, "sessions_app/reviews/exception.html", context, status=422 if form.is_bound else 200)


@require_POST
def review_exception_close(request: HttpRequest, pk: int) -> HttpResponse:
    """Close an exception whose answer the auditor accepts."""
    exception = _exception(request, pk)
    _require_auditor(request)
    return _done(request, exception, flows.close_exception, "The exception is closed.", exception.get_absolute_url())


@require_POST
def review_exception_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove an exception from a review that is not signed."""
    exception = _exception(request, pk)
    _require_auditor(request)
    back = exception.review.get_absolute_url()
    return _done(request, exception, flows.remove_exception, "The exception was removed.", back)


def _done(request: HttpRequest, exception: ReviewException, flow: Any, said: str, back: str) -> HttpResponse:
    try:
        flow(viewer(request), exception)
    except Refused as refused:
        return outcome(request, [("error", refused.message)], exception.get_absolute_url(), leaves_page=True)
    return outcome(request, [("success", said)], back, leaves_page=True)


def _review(request: HttpRequest, pk: int) -> LogReview:
    visible = LogReview.objects.all() if sees_everything(viewer(request)) else LogReview.objects.none()
    review: LogReview = get_object_or_404(visible.select_related("begun_by", "signed_by"), pk=pk)
    return review


def _exception(request: HttpRequest, pk: int) -> ReviewException:
    person = viewer(request)
    which = Q() if sees_everything(person) else Q(asked=person.pk)
    related = ("review", "asked", "added_by", "answered_by", "closed_by")
    found: ReviewException = get_object_or_404(ReviewException.objects.select_related(*related).filter(which), pk=pk)
    return found


def _require_auditor(request: HttpRequest) -> None:
    if not flows.is_auditor(viewer(request)):
        raise PermissionDenied(AUDITORS_ONLY)
