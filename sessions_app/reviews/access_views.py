"""The pages of access reviews: the list, one review with its rights, its commit, and what was taken away."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_safe

from activity import log
from activity.listing import list_response
from activity.listing.response import is_fragment
from activity.typed import typed
from activity.verbs import Verb
from activity.viewer import viewer
from sessions_app.catalogue.exception_models import AccessException
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.errors import Refused
from sessions_app.outcome import confirmation, outcome
from sessions_app.permission import administrator_refusal, role_of
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.reviews.access_forms import AccessReviewForm, ReasonForm, ReviewersForm
from sessions_app.reviews.access_tables import (
    EXCEPTIONS,
    LIFT,
    REVIEWS,
    ExceptionFilters,
    ItemFilters,
    exceptions_of,
    items_table,
    review_state,
    reviews_of,
)
from sessions_app.reviews.export import access_review_file
from sessions_app.reviews.flows.access import cancel_access_review
from sessions_app.reviews.flows.commit import (
    Effect,
    EffectChanged,
    commit_access_review,
    effect_of,
    lift_exception,
    why_not_committed,
)
from sessions_app.reviews.models import AccessReview
from sessions_app.roles import is_administrator, sees_everything

get_or_post = require_http_methods(["GET", "HEAD", "POST"])
MOST_SHOWN = 20  # sessions, and rights, that a commit names; the others are counted


@require_safe
def access_reviews(request: HttpRequest) -> HttpResponseBase:
    """Show the access reviews: all for who sees everything, else those that the person reviews."""
    person = viewer(request)
    table = REVIEWS
    if sees_everything(person):
        table = dataclasses.replace(REVIEWS, add_link=("Begin an access review", reverse("access_review_add")))
    context = {"heading": "Access reviews", "tab": "access_reviews"}
    return list_response(request, table, reviews_of(person), "sessions_app/reviews/list.html", context=context)


@get_or_post
def access_review_add(request: HttpRequest) -> HttpResponse:
    """Show the form of a new access review (GET), or begin it (POST)."""
    _require_sees_everything(request)
    form = AccessReviewForm(request.POST if request.method == "POST" else None)
    if form.is_bound and not form.is_unfinished and form.is_valid():
        review = form.try_to_save(viewer(request))
        if review is not None:
            said = f"Began the access review “{review}”. The reviewers get a mail."
            return outcome(request, [("success", said)], review.get_absolute_url(), leaves_page=True)
    return form_page(request, form, "Begin an access review", "Begin the review", reverse("access_reviews"))


@get_or_post
def access_review_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the form for reviewers and day (GET), or change them (POST)."""
    review = _review(request, pk)
    _require_sees_everything(request)
    if not review.is_open:
        raise PermissionDenied("This access review has ended. Nothing of it can be changed.")
    form = ReviewersForm(request.POST if request.method == "POST" else None, instance=review)
    if form.is_bound and not form.is_unfinished and form.is_valid() and form.try_to_save(viewer(request)) is not None:
        lines = [("success", f"Changed the access review “{review}”.")]
        return outcome(request, lines, review.get_absolute_url(), leaves_page=True)
    return form_page(request, form, f"Change {review.name}", "Save changes", review.get_absolute_url())


@require_safe
def access_review(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show one access review: what it is about, how far it is, and its rights to decide about."""
    person, review = viewer(request), _review(request, pk)
    reviewers = list(review.reviewers.order_by("username"))
    is_reviewer = any(each.pk == person.pk for each in reviewers)
    refused = why_not_decide(review, is_reviewer=is_reviewer)
    total, undecided = review.items.count(), review.items.filter(decision="").count()
    context = {
        "heading": review.name,
        "review": review,
        "state": review_state(review),
        "reviewers": ", ".join(each.get_username() for each in reviewers),
        "total": total,
        "decided": total - undecided,
        "is_decided": not undecided,
        "may_decide": not refused,
        "may_change": review.is_open and sees_everything(person),
        "may_commit": review.is_open and (is_reviewer or is_administrator(person)),
    }
    return list_response(
        request,
        items_table(person, refused),
        review.items.select_related("decided_by"),
        "sessions_app/reviews/access_review.html",
        filterset=ItemFilters,
        context=context,
        csv_name=f"access-review-{review.pk}",
    )


def why_not_decide(review: AccessReview, *, is_reviewer: bool) -> str:
    """Return why the person decides about no right of the review; an empty string if they may."""
    if not review.is_open:
        return "This access review has ended."
    return "" if is_reviewer else "Only the reviewers decide."


@get_or_post
def access_review_commit(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what a commit does (GET), or commit (POST) if that is still what it does."""
    person, review = viewer(request), _review(request, pk)
    why = why_not_committed(person, review) if review.is_open else "This access review has ended already."
    if request.method != "POST" or why:
        effect = None if why else effect_of(person, review)
        return _ask_commit(request, review, effect, why, status=422 if request.method == "POST" else 200)
    try:
        effect = commit_access_review(person, review, typed(request.POST, "fingerprint"))
    except EffectChanged as changed:
        return _ask_commit(request, review, changed.effect, "", status=422, has_changed=True)
    except Refused as refused:
        return outcome(request, [("error", refused.message)], review.get_absolute_url(), leaves_page=True)
    ends = f" {len(effect.ending)} open sessions end." if effect.ending else ""
    said = f"Committed the access review “{review}”: {effect.kept} kept, {len(effect.taken)} taken away.{ends}"
    return outcome(request, [("success", said)], review.get_absolute_url(), leaves_page=True)


def _ask_commit(
    request: HttpRequest,
    review: AccessReview,
    effect: Effect | None,
    why: str,
    *,
    status: int = 200,
    has_changed: bool = False,
) -> HttpResponse:
    context: dict[str, Any] = {
        "title": f"Commit {review.name}",
        "heading": f"Commit {review.name}",
        "review": review,
        "effect": effect,
        "why": why,
        "has_changed": has_changed,
        "possible": effect is not None,
        "is_danger": effect is not None and bool(effect.taken),
        "action_url": request.path,
        "back": review.get_absolute_url(),
        "back_label": "Back to the review",
    }
    if effect is not None:
        ending = PrivilegedSession.objects.filter(pk__in=effect.ending[:MOST_SHOWN]).order_by("pk")
        context |= {
            "ending": list(ending),
            "more_ending": max(len(effect.ending) - MOST_SHOWN, 0),
            "still": effect.still[:MOST_SHOWN],
            "more_still": max(len(effect.still) - MOST_SHOWN, 0),
            "taken": effect.taken[:MOST_SHOWN],
            "more_taken": max(len(effect.taken) - MOST_SHOWN, 0),
        }
    return confirmation(request, "sessions_app/reviews/commit.html", context, status=status)


@get_or_post
def access_review_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask why the review is canceled (GET), or cancel it (POST)."""
    review = _review(request, pk)
    _require_sees_everything(request)
    form = ReasonForm(request.POST if request.method == "POST" else None, is_required=True)
    if form.is_valid():
        try:
            cancel_access_review(viewer(request), review, form.cleaned_data["reason"])
        except Refused as refused:
            return outcome(request, [("error", refused.message)], review.get_absolute_url(), leaves_page=True)
        lines = [("success", f"Canceled the access review “{review}”. No right was taken away.")]
        return outcome(request, lines, review.get_absolute_url(), leaves_page=True)
    context = {
        "title": f"Cancel {review.name}",
        "question": f"Cancel the access review “{review.name}”?",
        "text": "No right is taken away. What was decided stays to be read.",
        "button": "Cancel the review",
        "form": form,
        "possible": review.is_open,
        "impossible": "It has ended already.",
        "is_danger": True,
        "back": review.get_absolute_url(),
    }
    return ask(request, context, status=422 if form.is_bound else 200)


@require_safe
def access_review_export(request: HttpRequest, pk: int) -> HttpResponse:
    """Send the review with every right, decision and signature as JSON, and log it."""
    review = _review(request, pk)
    return export(request, review, access_review_file(review), f"access-review-{review.pk}-{slugify(review.name)}")


@require_safe
def access_exceptions(request: HttpRequest) -> HttpResponseBase:
    """Show the rights that access reviews took away."""
    _require_sees_everything(request)
    person = viewer(request)
    table = EXCEPTIONS
    if is_administrator(person):
        card = dataclasses.replace(EXCEPTIONS.card, note="lift") if EXCEPTIONS.card else None
        table = dataclasses.replace(EXCEPTIONS, columns=(*EXCEPTIONS.columns, LIFT), card=card)
    context = {"heading": "Taken away", "tab": "access_exceptions"}
    return list_response(
        request,
        table,
        exceptions_of(person),
        "sessions_app/reviews/list.html",
        filterset=ExceptionFilters,
        context=context,
    )


@get_or_post
def access_exception_lift(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask why the right is given back (GET), or give it back (POST)."""
    person = viewer(request)
    exception: AccessException = get_object_or_404(exceptions_of(person), pk=pk)
    if refused := administrator_refusal(**role_of(person)):
        raise PermissionDenied(refused)
    form = ReasonForm(request.POST if request.method == "POST" else None, is_required=True)
    back = reverse("access_exceptions")
    if form.is_valid():
        try:
            lift_exception(person, exception, form.cleaned_data["reason"])
        except Refused as problem:
            return outcome(request, [("error", problem.message)], back, leaves_page=True)
        said = f"Gave {exception.activity} on {exception.resource} back to {exception.user}."
        return outcome(request, [("success", said)], back, leaves_page=True)
    context = {
        "title": "Give a right back",
        "question": f"Give {exception.activity} on {exception.resource} back to {exception.user}?",
        "text": f"{exception.sentence} Access policies give it again from now on.",
        "button": "Give it back",
        "form": form,
        "possible": exception.lifted_at is None,
        "impossible": "It was given back already.",
        "back": back,
    }
    return ask(request, context, status=422 if form.is_bound else 200)


def ask(request: HttpRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Show a question with a form of one or two fields, in the dialog or on a page of its own."""
    whole = {"action_url": request.path, "heading": "Reviews", "back_label": "Go back", **context}
    template = context.get("template", "sessions_app/reviews/ask.html")
    return confirmation(request, template, whole, status=status)


def form_page(request: HttpRequest, form: ConfigurationForm, title: str, button: str, back: str) -> HttpResponse:
    """Return a form: the whole page, or for htmx the fields alone."""
    fields = "sessions_app/configuration/fields.html"
    template = fields if is_fragment(request) else "sessions_app/configuration/form.html"
    is_refused = form.is_bound and not form.is_unfinished
    context = {"title": title, "form": form, "fields_template": fields, "back": back, "button": button}
    response = render(request, template, context, status=422 if is_refused else 200)
    response["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["HX-Request"])
    return response


def export(request: HttpRequest, about: Any, content: dict[str, Any], name: str) -> HttpResponse:
    """Return a review as a JSON file, and log the download."""
    log.record(
        Verb.EXPORTED,
        f"{viewer(request).get_username()} exported {about} as JSON",
        actor=viewer(request),
        target=about,
        details={"format": "json", "is_signed": bool(content["signed_note"])},
    )
    response = JsonResponse(content, json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = f'attachment; filename="{name}.json"'
    response["Cache-Control"] = "no-store"
    return response


def _review(request: HttpRequest, pk: int) -> AccessReview:
    visible = AccessReview.objects.visible_to(viewer(request))
    review: AccessReview = get_object_or_404(visible.select_related("begun_by", "committed_by", "canceled_by"), pk=pk)
    return review


def _require_sees_everything(request: HttpRequest) -> None:
    if not sees_everything(viewer(request)):
        raise PermissionDenied("Only administrators and auditors begin and change access reviews.")
