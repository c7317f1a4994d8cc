"""The view of /reviews/access/<number>/decide/<decision>/: it asks about the selected rights, and decides."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods

from activity.typed import LONGEST_IN_ADDRESS, typed
from activity.viewer import viewer
from sessions_app.errors import Refused
from sessions_app.outcome import confirmation, outcome
from sessions_app.reviews.access_forms import ReasonForm
from sessions_app.reviews.access_views import why_not_decide
from sessions_app.reviews.flows.access import Decided, decide
from sessions_app.reviews.models import AccessReview, AccessReviewItem, Decision

MOST_AT_ONCE = 200
NAMED = 3
EVERY = "every"  # the box that takes a right away by every policy
VERSION = "version-"  # before the number of an item: the version that the person saw


@require_http_methods(["GET", "HEAD", "POST"])
def access_review_decide(request: HttpRequest, pk: int, decision: str) -> HttpResponse:
    """Show the selected rights and ask for the reason (GET), or decide about them (POST)."""
    person = viewer(request)
    review: AccessReview = get_object_or_404(AccessReview.objects.visible_to(person), pk=pk)
    if decision not in (Decision.KEEP, Decision.TAKE_AWAY):
        raise Http404
    is_reviewer = review.reviewers.filter(pk=person.pk).exists()
    if not is_reviewer:
        raise PermissionDenied(why_not_decide(review, is_reviewer=False) or "Only the reviewers decide.")
    sent = request.POST if request.method == "POST" else request.GET
    items = _selected(review, sent)
    takes = decision == Decision.TAKE_AWAY
    form = ReasonForm(request.POST if request.method == "POST" else None, is_required=takes)
    next_url = typed(sent, "next", LONGEST_IN_ADDRESS) or review.get_absolute_url()
    if not form.is_valid() or not items:
        return _ask(request, review, Decision(decision), items, form, next_url)
    wanted = Decision.TAKE_AWAY_ALL if takes and EVERY in request.POST else Decision(decision)
    try:
        decided = decide(person, review, _seen(items, request.POST), wanted, form.cleaned_data["reason"])
    except Refused as refused:
        return outcome(request, [("error", refused.message)], review.get_absolute_url())
    return outcome(request, _lines(decided, wanted), next_url)


def _selected(review: AccessReview, sent: QueryDict) -> list[AccessReviewItem]:
    """Return the selected rights. Raise Http404 for numbers that this review does not have."""
    chosen = set(sent.getlist("ids"))
    if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in chosen) or len(chosen) > MOST_AT_ONCE:
        raise Http404("The selection was not understood. Select at most 200 rights in the list.")
    items = list(review.items.filter(pk__in={int(text) for text in chosen}).select_related("decided_by").order_by("pk"))
    if len(items) != len(chosen):
        raise Http404
    return items


def _seen(items: list[AccessReviewItem], sent: QueryDict) -> dict[int, int]:
    """Return the version of each item that the person saw; what was not sent counts as never decided."""
    texts = {item.pk: typed(sent, f"{VERSION}{item.pk}") for item in items}
    return {pk: int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0 for pk, text in texts.items()}


def _ask(
    request: HttpRequest,
    review: AccessReview,
    decision: Decision,
    items: list[AccessReviewItem],
    form: ReasonForm,
    next_url: str,
) -> HttpResponse:
    person = viewer(request)
    rows = [(item, item.why_barred(person)) for item in items]
    possible = [item for item, why in rows if not why]
    seen = _seen(items, request.POST) if form.is_bound else {item.pk: item.version for item in items}
    context: dict[str, Any] = {
        "title": f"{decision.label} in {review.name}",
        "heading": review.name,
        "decision": decision,
        "takes": decision == Decision.TAKE_AWAY,
        "rows": rows,
        "refused": len(rows) - len(possible),
        "versions": [(item.pk, f"{VERSION}{item.pk}", seen[item.pk]) for item in possible],
        "form": form,
        "next": next_url,
        "every": EVERY,
        "possible": len(possible) if review.is_open else 0,
        "has_ended": not review.is_open,
        "is_danger": False,
        "action_url": request.path,
        "back": review.get_absolute_url(),
        "back_label": "Back to the review",
    }
    return confirmation(request, "sessions_app/reviews/decide.html", context, status=422 if form.is_bound else 200)


def _lines(decided: Decided, decision: Decision) -> list[tuple[str, str]]:
    said = {Decision.KEEP: "kept", Decision.TAKE_AWAY: "to be taken away"}.get(decision, "to be taken away everywhere")
    lines = [("success", f"{_names(decided.done)}: {said}.")] if decided.done else []
    return lines + [("error", f"{_names(items)}: not decided. {why}") for why, items in decided.refused.items()]


def _names(items: list[AccessReviewItem]) -> str:
    return "; ".join(map(str, items)) if len(items) <= NAMED else f"{len(items)} rights"
