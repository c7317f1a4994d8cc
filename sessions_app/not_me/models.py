"""Reports of logins that were not the person's own."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from sessions_app.logins.models import LoginSession


class NotMeReport(models.Model):
    """What one press of “This wasn't me” did. A worker finishes it if the process that accepted it could not."""

    login = models.OneToOneField(LoginSession, models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    is_by_link = models.BooleanField()  # from a mail; else by the person who was logged in
    made_at = models.DateTimeField(default=timezone.now)
    lines = models.JSONField(default=list)  # [whether it worked, the sentence for the person]
    done_at = models.DateTimeField(null=True)
    # The hash of the password that is void now. The link alone sets no new one: who has the mailbox must know it too.
    void_password = models.CharField(max_length=128, blank=True, editable=False)
    password_set_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["user", "made_at"], name="not_me_user"),
            models.Index(fields=["made_at"], name="not_me_open", condition=models.Q(done_at=None)),
            models.Index(fields=["made_at"], name="not_me_void", condition=~models.Q(void_password="")),
        ]

    def __str__(self) -> str:
        return f"{self.user}: this wasn't me"
