"""What an administrator fills in to lock an account or a resource, or to cut everything of a person."""

from django import forms


class LockForm(forms.Form):
    """What the locked person reads."""

    title = forms.CharField(
        max_length=120, initial="Locked by an administrator", help_text="The person who is locked out reads this."
    )
    message = forms.CharField(
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What happened, and whom to ask.",
    )


class CutForm(forms.Form):
    """Why everything is cut; goes to the log and becomes the message of the lock."""

    reason = forms.CharField(
        max_length=120, required=False, help_text="For the activity log, and for the person when they try to log in."
    )
