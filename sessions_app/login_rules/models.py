"""The settings of sign-in, which are one row, and the rules for the logins of a person or a group."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from activity.compiled_query import CompiledQuery

ONLY_ROW = 1  # the primary key of the settings
FEWEST_IDLE_DAYS, MOST_IDLE_DAYS = 7, 3_650
MOST_LOGINS = 1_000
MOST_GRACE = 100


class WhenTooMany(models.TextChoices):
    """What happens when a person logs in once more than they may at a time."""

    END_OLDEST = "end_oldest", "The oldest login ends"
    REFUSE_NEW = "refuse_new", "The new login is refused"


class PasswordLogin(models.TextChoices):
    """Who may log in with user name and password."""

    EVERYBODY = "everybody", "Everybody who has a password"
    BREAK_GLASS = "break_glass", "Break-glass accounts only"


class RequiredFor(models.TextChoices):
    """Who must have a second factor."""

    NOBODY = "nobody", "Nobody"
    STAFF = "staff", "Administrators and auditors"
    EVERYBODY = "everybody", "Everybody"


class SignInSettings(models.Model):
    """How people sign in to this console. `current()` returns the only row."""

    # Second factors
    second_factor = models.CharField(
        "second factor required for",
        max_length=10,
        choices=RequiredFor.choices,
        default=RequiredFor.STAFF,
        help_text="The page of a person can say something else for this person.",
    )
    grace_logins = models.PositiveSmallIntegerField(
        "logins without it",
        default=3,
        validators=[MaxValueValidator(MOST_GRACE)],
        help_text="How often a person can log in without the second factor that is required. After that nothing "
        "opens until it is set up. 0: it has to be set up at once.",
    )
    # Login rules
    max_logins = models.PositiveSmallIntegerField(
        "logins at a time",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_LOGINS)],
        help_text="How many browsers one person can be logged in with. Empty: any number.",
    )
    when_too_many = models.CharField(
        "one login too many", max_length=10, choices=WhenTooMany.choices, default=WhenTooMany.END_OLDEST
    )
    idle_days = models.PositiveSmallIntegerField(
        "disable unused accounts after",
        null=True,
        blank=True,
        validators=[MinValueValidator(FEWEST_IDLE_DAYS), MaxValueValidator(MOST_IDLE_DAYS)],
        help_text="In days without a login or a use of an SSH key. Empty: never.",
    )
    password_login = models.CharField(
        "login with a password",
        max_length=11,
        choices=PasswordLogin.choices,
        default=PasswordLogin.EVERYBODY,
        help_text="Whether people whose provider logs them in can still use a password.",
    )
    # Accounts for the day on which nothing else works
    break_glass_accounts = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="+",
        help_text="They are kept for emergencies: never disabled because nobody uses them, and each login with one "
        "alerts the administrators.",
    )

    class Meta:
        default_permissions = ()
        verbose_name = verbose_name_plural = "sign-in settings"
        constraints = [models.CheckConstraint(condition=models.Q(id=ONLY_ROW), name="sign_in_settings_once")]

    def __str__(self) -> str:
        return "Sign-in"

    @classmethod
    def current(cls) -> Self:
        """Return the settings as they are now, with one cheap query; the defaults if nobody has ever saved them."""
        alias, rows = _settings.rows()
        return cls.from_db(alias, _columns(), rows[0]) if rows else cls(pk=ONLY_ROW)

    @classmethod
    def lets_in_by_password(cls, user_id: int) -> bool:
        """Return whether this account may log in with its password."""
        return cls.current().password_login == PasswordLogin.EVERYBODY or cls.is_break_glass(user_id)

    @classmethod
    def is_break_glass(cls, user_id: int) -> bool:
        """Return whether this account is one for emergencies."""
        return cls.break_glass_accounts.through._default_manager.filter(user_id=user_id).exists()


def _columns() -> list[str]:
    return [field.attname for field in SignInSettings._meta.concrete_fields]


def _only_row() -> models.QuerySet[SignInSettings, Any]:
    return SignInSettings.objects.filter(pk=ONLY_ROW).values_list(*_columns())


_settings = CompiledQuery(SignInSettings, _only_row)


class LoginRule(models.Model):
    """From where, when and how often one person, or each member of a group, may be logged in.

    What is empty limits nothing. The texts are as networks.py and hours.py store them.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="login_rule"
    )
    group = models.OneToOneField(Group, models.CASCADE, null=True, blank=True, related_name="login_rule")
    networks = models.TextField(blank=True)
    hours = models.TextField(blank=True)
    max_logins = models.PositiveSmallIntegerField(
        "logins at a time",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_LOGINS)],
    )

    class Meta:
        default_permissions = ()
        verbose_name = "login rule"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user=None, group__isnull=False) | models.Q(user__isnull=False, group=None),
                name="login_rule_of_one",
            )
        ]

    def __str__(self) -> str:
        return str(self.user) if self.user_id is not None else f"group {self.group}"

    @property
    def is_empty(self) -> bool:
        """Return whether the rule limits nothing."""
        return not (self.networks or self.hours or self.max_logins)


class ReenabledAccount(models.Model):
    """When a disabled account was enabled again. It counts as used then, and so is not disabled again at once."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    enabled_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.user)
