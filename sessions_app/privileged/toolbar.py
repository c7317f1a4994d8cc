"""The buttons above a list of privileged sessions and on the page of a session.

The reasons for each row come with the rows (refusals_for in privileged/tables.py). The rules are in
privileged/policy.py.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

from django.contrib.auth.models import AbstractUser
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from activity.addresses import fixed
from sessions_app.privileged import policy
from sessions_app.roles import is_administrator, sees_everything


@dataclasses.dataclass(frozen=True, slots=True)
class Button:
    """One verb as a button. `refused` says why it never works here; it is empty if it may work."""

    verb: str
    label: str
    has_dialog: bool = True  # otherwise it is a link to another page
    is_many: bool = True  # otherwise it works for one row only
    new_window: bool = False
    refused: str = ""

    @property
    def url(self) -> str:
        """Return the address that the chosen ids are sent to."""
        return fixed("session_action", self.verb)

    @property
    def style(self) -> str:
        """Return the class of a button that stands out: the most used one, and those that cannot be undone."""
        return {"approve": "primary", "terminate": "danger"}.get(self.verb, "")


WITHDRAW = "Withdraw"  # the name of End for sessions that have not begun
BUTTONS = (
    Button("end", "End session"),
    Button("lock", "Lock"),
    Button("unlock", "Unlock"),
    Button("terminate", "Terminate"),
    Button("log", "View log", has_dialog=False, is_many=False, new_window=True),
    Button("approve", "Approve"),
    Button("deny", "Deny"),
    Button("extend", "Extend"),
    Button("relaunch", "Relaunch", has_dialog=False, is_many=False),
)


@dataclasses.dataclass(frozen=True)
class Toolbar:
    """The buttons above a list. There is one for each role, which is cached for the life of the process."""

    buttons: tuple[Button, ...]
    request_refused: str  # why the person may not request sessions; empty if they may

    @functools.cached_property
    def html(self) -> SafeString:
        """Return the rendered buttons, for pages/sessions/_sessions_toolbar.html."""
        return render_to_string("sessions_app/pages/sessions/_sessions_buttons.html", {"toolbar": self})


def role_refusals(viewer: AbstractUser) -> Mapping[str, str]:
    """Return the verbs that the viewer's role never allows, with the reasons.

    `request` is one of them, reading is none.
    """
    return _refusals(is_administrator(viewer), sees_everything(viewer))


@functools.cache
def _refusals(administers: bool, sees_all: bool) -> Mapping[str, str]:
    reasons = {
        verb: policy.role_refusal(verb, is_administrator=administers, is_auditor_only=sees_all and not administers)
        for verb in (*policy.RULES, "request")
    }
    return {verb: reason for verb, reason in reasons.items() if reason}


def sessions_toolbar(viewer: AbstractUser, *, with_history: bool, has_begun: bool = True) -> Toolbar:
    """Return the toolbar of a list. Relaunch is there only if the list has ended sessions."""
    return _toolbar(is_administrator(viewer), sees_everything(viewer), with_history, has_begun)


@functools.cache
def _toolbar(administers: bool, sees_all: bool, with_history: bool, has_begun: bool) -> Toolbar:
    refused = _refusals(administers, sees_all)
    return Toolbar(
        tuple(
            dataclasses.replace(button, refused=refused.get(button.verb, ""), label=_label(button, has_begun))
            for button in BUTTONS
            if with_history or button.verb != "relaunch"
        ),
        refused.get("request", ""),
    )


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
