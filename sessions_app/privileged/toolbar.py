"""The buttons above a list of privileged sessions and on the page of a session.

The reasons for each row come with the rows (refusals_for in privileged/tables.py). The rules are in
privileged/policy.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from django.contrib.auth.models import AbstractUser
from django.db.models import Q
from django.urls import reverse

from sessions_app.catalogue.models import ApprovalTier
from sessions_app.privileged import policy
from sessions_app.roles import is_administrator, sees_everything


@dataclasses.dataclass(frozen=True, slots=True)
class Button:
    """One verb as a button. `refused` says why it cannot be used now; it is empty if it can."""

    verb: str
    label: str
    has_dialog: bool = True  # otherwise it is a link to another page
    is_many: bool = True  # otherwise it works for one row only
    new_window: bool = False
    refused: str = ""

    @property
    def url(self) -> str:
        """Return the address that the chosen ids are sent to."""
        return reverse("session_action", args=[self.verb])

    @property
    def style(self) -> str:
        """Return the class of a button that stands out: the most used one, and those that cannot be undone."""
        return {"approve": "primary", "terminate": "danger"}.get(self.verb, "")


WITHDRAW = "Withdraw"  # the name of End for sessions that have not begun
BUTTONS = (
    Button("end", "End Session"),
    Button("lock", "Lock"),
    Button("unlock", "Unlock"),
    Button("terminate", "Terminate"),
    Button("log", "View log", has_dialog=False, is_many=False, new_window=True),
    Button("approve", "Approve"),
    Button("deny", "Deny"),
    Button("extend", "Extend"),
    Button("relaunch", "Relaunch", has_dialog=False, is_many=False),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Toolbar:
    """The buttons above a list, for pages/sessions/_sessions_toolbar.html."""

    buttons: tuple[Button, ...]
    may_request: bool


def role_refusals(viewer: AbstractUser) -> Mapping[str, str]:
    """Return the verbs that the viewer's role never allows, with the reasons.

    `request` is one of them, reading is none.
    """
    administers = is_administrator(viewer)
    is_auditor_only = sees_everything(viewer) and not administers
    reasons = {
        verb: policy.role_refusal(verb, is_administrator=administers, is_auditor_only=is_auditor_only)
        for verb in (*policy.RULES, "request")
    }
    return {verb: reason for verb, reason in reasons.items() if reason}


def sessions_toolbar(viewer: AbstractUser, *, with_history: bool, has_begun: bool = True) -> Toolbar:
    """Return the toolbar of a list, without the verbs that the viewer can never use.

    These are the verbs that the role never allows, Approve and Deny for people who are in no approval tier, and
    Relaunch in a list without ended sessions. The page of a session still says of each of them why not.
    """
    never = set(role_refusals(viewer))
    if not is_approver(viewer):
        never |= {"approve", "deny"}
    if not with_history:
        never.add("relaunch")
    buttons = (
        dataclasses.replace(button, label=_label(button, has_begun)) for button in BUTTONS if button.verb not in never
    )
    return Toolbar(tuple(buttons), may_request="request" not in never)


def is_approver(viewer: AbstractUser) -> bool:
    """Return whether any approval tier names the viewer or a group of theirs."""
    return ApprovalTier.objects.filter(Q(users=viewer.pk) | Q(groups__user=viewer.pk)).exists()


def page_buttons(viewer: AbstractUser, refusals: Mapping[str, str], *, has_begun: bool = True) -> tuple[Button, ...]:
    """Return the buttons of the page of one session, with its `refusals`."""
    never = role_refusals(viewer)
    return tuple(
        dataclasses.replace(
            button,
            refused=never.get(button.verb) or refusals.get(button.verb, ""),
            label=_label(button, has_begun),
        )
        for button in BUTTONS
    )


def _label(button: Button, has_begun: bool) -> str:
    return WITHDRAW if button.verb == "end" and not has_begun else button.label
