"""Forms to lock an account or a resource, and to end all access of a person at once."""

from django import forms


class LockForm(forms.Form):
    """The form for a lock: the title and message that the locked person sees."""

    title = forms.CharField(
        max_length=120, initial="Locked by an administrator", help_text="The locked person reads this title."
    )
    message = forms.CharField(
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Tell the person what happened, and whom to ask.",
    )


class LockdownForm(forms.Form):
    """The form to end all access: the reason, which is logged and becomes the message of the lock."""

    reason = forms.CharField(
        max_length=120,
        required=False,
        help_text="The reason is written to the activity log. The person reads it when they try to log in.",
    )
