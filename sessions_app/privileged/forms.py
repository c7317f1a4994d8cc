"""What the dialogs of the toolbar ask for. Limits are those of the models; rules live in policy and flows."""

from __future__ import annotations

from django import forms


class ActionForm(forms.Form):
    """Nothing to fill in. The ids of its fields do not meet those of the page under the dialog."""

    def __init__(self, data: object = None) -> None:
        super().__init__(data, auto_id="action-%s")  # type: ignore[arg-type]  # a pattern may stand there


class LockForm(ActionForm):
    """What the user of a locked session reads, and what else is locked."""

    title = forms.CharField(max_length=120, help_text="The user sees it.")
    message = forms.CharField(
        max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 3}), help_text="Why, and what to do."
    )
    forbid_resource = forms.BooleanField(label="Prevent new sessions on this resource", required=False)
    lock_account = forms.BooleanField(
        label="Lock the account",
        required=False,
        help_text="Logs the user out everywhere, cuts their connections through the gateway, locks every live session "
        "of theirs, and lets none begin.",
    )


class TerminateForm(ActionForm):
    """Whether the session ends with its connections."""

    cancel = forms.BooleanField(
        label="Cancel the session too",
        required=False,
        initial=True,
        help_text="So that nobody logs in through it again.",
    )


class ApproveForm(ActionForm):
    """A word for the record, if there is one."""

    reason = forms.CharField(max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 2}))


class DenyForm(ActionForm):
    """Why not; the requester reads it."""

    reason = forms.CharField(
        max_length=500, widget=forms.Textarea(attrs={"rows": 2}), help_text="The requester reads it."
    )
