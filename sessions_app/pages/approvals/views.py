"""The inbox of approvals: what waits for the viewer's decision, and what waits for others."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from activity.viewer import viewer
from sessions_app.pages.approvals.cards import MOST_SHOWN, cards, waiting_for, waiting_for_others
from sessions_app.privileged.toolbar import role_refusals
from sessions_app.refreshing_pages import live_response
from sessions_app.roles import sees_everything


@require_safe
def approvals(request: HttpRequest) -> HttpResponse:
    """Show the requests that wait. The page refreshes itself.

    People who may not see everything get what waits for them, their own requests, and what they have approved already.
    """
    person = viewer(request)
    never = role_refusals(person)
    mine = [] if "approve" in never else list(waiting_for(person)[: MOST_SHOWN + 1])
    others = list(waiting_for_others(person)[: MOST_SHOWN + 1])
    context = {
        "heading": "Approvals",
        "mine": cards(person, mine[:MOST_SHOWN], may_decide=True),
        "others": cards(person, others[:MOST_SHOWN], may_decide=False),
        "has_more_of_mine": len(mine) > MOST_SHOWN,
        "has_more_of_others": len(others) > MOST_SHOWN,
        "most_shown": MOST_SHOWN,
        "sees_all": sees_everything(person),
        "may_request": "request" not in never,
    }
    folder = "sessions_app/pages/approvals"
    return live_response(request, f"{folder}/approvals.html", f"{folder}/approvals_body.html", context)
