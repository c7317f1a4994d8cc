"""Forms of the dialogs of the toolbar.

Their limits are those of the models; the policy and the flows have the rules.
"""

from __future__ import annotations

from django import forms

from sessions_app.reasons import FOR_LOCK, ReasonInput


class ActionForm(forms.Form):
    """A form without fields. Its ids differ from those of the page under the dialog."""

    def __init__(self, data: object = None) -> None:
        super().__init__(data, auto_id="action-%s")  # type: ignore[arg-type]  # a pattern may stand there


class LockForm(ActionForm):
    """The form to lock a session: the texts for its user, and what else is locked."""

    title = forms.CharField(
        max_length=120,
        widget=ReasonInput(FOR_LOCK),
        help_text="The user reads this title. Pick a reason, or write your own.",
    )
    message = forms.CharField(
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Tell the user why, and what to do.",
    )
    forbid_resource = forms.BooleanField(label="Prevent new sessions on this resource", required=False)
    lock_account = forms.BooleanField(
        label="Lock the account",
        required=False,
        help_text="The user is logged out everywhere, and connections through the gateway are cut. All their live "
        "sessions are locked, and no new session can start.",
    )


class TerminateForm(ActionForm):
    """The form to terminate a session, which may also cancel it."""

    cancel = forms.BooleanField(
        label="Cancel the session too",
        required=False,
        initial=True,
        help_text="The user then cannot connect again in this session.",
    )


class ApproveForm(ActionForm):
    """The form to approve a session, with an optional reason."""

    reason = forms.CharField(max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 2}))


class DenyForm(ActionForm):
    """The form to deny a session, with the reason that the requester reads."""

    reason = forms.CharField(
        max_length=500, widget=forms.Textarea(attrs={"rows": 2}), help_text="The requester reads this reason."
    )
