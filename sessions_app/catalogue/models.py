"""Resources, activities, connection profiles with their approval tiers, and access policies."""

from __future__ import annotations

import datetime as dt
from typing import Self

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from activity.addresses import numbered
from sessions_app.catalogue import second_factor, terms
from sessions_app.catalogue.account_names import ACCOUNT_NAME, account_name, problem_of_template
from sessions_app.catalogue.connectors import Capabilities, capabilities_of
from sessions_app.catalogue.profile_limits import problems_of_limits
from sessions_app.catalogue.sudo_rules import problem_of_sudo_rule
from sessions_app.roles import Person


class Platform(models.TextChoices):
    """The kind of system that a resource is, and that an activity is made for."""

    LINUX = "linux", "Linux"
    WINDOWS = "windows", "Windows"
    NETWORK = "network", "Network device"
    VAULT = "vault", "Secret vault"


class ServiceAuth(models.TextChoices):
    """How the service account authenticates to a host."""

    CERTIFICATE = "certificate", "Certificate of our certificate authority"
    KEY = "key", "Stored private key"


class AccountKind(models.TextChoices):
    """What an activity does with the login account on a host."""

    EPHEMERAL = "ephemeral", "Ephemeral account"
    MANAGED = "managed", "Managed account"
    COMMANDS = "commands", "Commands"


class Resource(models.Model):
    """A host or a secret vault that sessions are requested for."""

    name = models.CharField(max_length=120, unique=True)
    platform = models.CharField(max_length=10, choices=Platform.choices, default=Platform.LINUX)
    address = models.CharField(max_length=253, blank=True, help_text="The host name or the IP address.")
    port = models.PositiveIntegerField(default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    connector = models.CharField(
        max_length=20,
        default="ssh",
        help_text="The software that grants rights on the resource.",
    )
    service_account = models.CharField(
        max_length=64, blank=True, help_text="The account that SessionAdmin uses on the host."
    )
    service_auth = models.CharField(
        "login method of the service account",
        max_length=12,
        choices=ServiceAuth.choices,
        default=ServiceAuth.CERTIFICATE,
        help_text="Only hosts with the connector “ssh” use this.",
    )
    service_key = models.ForeignKey(
        "sessions_app.ServiceKey",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="resources",
        help_text="Choose the private key if the service account logs in with a stored key.",
    )
    host_key = models.TextField(
        blank=True,
        help_text="The host must show this key. “Test connection” on the resource's page shows the key, and you "
        "confirm it there. A line with @cert-authority names the certificate authority of your hosts instead.",
    )
    description = models.TextField(blank=True)
    is_active = models.BooleanField(
        "active", default=True, help_text="Nobody can start a new session on an inactive resource."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return numbered("resource", self.pk)

    @property
    def capabilities(self) -> Capabilities:
        """Return what its connector can; nothing when this installation does not have that connector."""
        return capabilities_of(self.connector)

    def clean(self) -> None:
        """Raise ValidationError for a host that SessionAdmin cannot log in to."""
        if self.service_account and not ACCOUNT_NAME.fullmatch(self.service_account):
            raise ValidationError({"service_account": "This cannot be the name of an account on a Linux host."})
        if self.capabilities.is_host and not self.address:
            raise ValidationError({"address": "Enter the host's name or IP address."})
        if self.capabilities.is_host and self.service_auth == ServiceAuth.KEY and self.service_key_id is None:
            raise ValidationError({"service_key": "Choose the stored key."})


class Activity(models.Model):
    """A named kind of privileged work, such as “Patch Linux”. The package `activity` is the log, and not this."""

    name = models.CharField(max_length=120, unique=True)
    platform = models.CharField(max_length=10, choices=Platform.choices, default=Platform.LINUX)
    login_account_template = models.CharField(
        max_length=64,
        default="{user}-adm",
        help_text="The account on the resource. {user} stands for the user's name, {session} for the number.",
    )
    kind = models.CharField(
        "account on a real host",
        max_length=10,
        choices=AccountKind.choices,
        default=AccountKind.EPHEMERAL,
        help_text="An ephemeral account is created for the session and removed after it. A managed account exists on "
        "the host and is unlocked for the session. “Commands” runs the pre-session and post-session actions.",
    )
    unix_groups = models.CharField(
        "groups", max_length=300, blank=True, help_text="The account joins these groups. Separate them with commas."
    )
    sudo_rule = models.CharField(
        max_length=300, blank=True, help_text="The rule after the account's name, such as ALL=(ALL) NOPASSWD: ALL."
    )
    shell = models.CharField(max_length=120, default="/bin/bash", help_text="The login shell of an ephemeral account.")
    grant_actions = models.TextField(
        "pre-session actions", blank=True, help_text="Write one action on each line. They run before the session."
    )
    remove_actions = models.TextField(
        "post-session actions",
        blank=True,
        help_text="Write one action on each line. They run in this order after the session.",
    )
    description = models.TextField(blank=True)
    is_active = models.BooleanField("active", default=True, help_text="Nobody can request an inactive activity.")

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "activities"

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return numbered("activity_kind", self.pk)

    def clean(self) -> None:
        """Raise ValidationError if the account template or what is given to the account cannot be used on a host."""
        if problem := problem_of_template(self.login_account_template):
            raise ValidationError({"login_account_template": problem})
        if problems := terms.problems(self.unix_groups, self.sudo_rule, self.shell):
            raise ValidationError(problems)
        if self.sudo_rule and (problem := problem_of_sudo_rule(self.sudo_rule)):
            raise ValidationError({"sudo_rule": problem})
        if self.kind == AccountKind.COMMANDS:
            for name in ("grant_actions", "remove_actions"):
                if problem := terms.problem_of_commands(getattr(self, name)):
                    raise ValidationError({name: problem})

    def login_account(self, username: str, session_id: int) -> str:
        """Return the name of the login account for `username`, made from the template."""
        return account_name(self.login_account_template, username, session_id)


class ConnectionProfile(models.Model):
    """The rules of session control: the duration, the approvals, and what the person must enter."""

    name = models.CharField(max_length=120, unique=True)
    maximum_duration = models.DurationField(default=dt.timedelta(hours=2), help_text="From start to end.")
    approval_timeout = models.DurationField(
        default=dt.timedelta(hours=24), help_text="A request fails if nobody approves or denies it within this time."
    )
    extension_by = models.DurationField(default=dt.timedelta(minutes=30), help_text="An extension adds this time.")
    extension_limit = models.PositiveSmallIntegerField(default=0, help_text="How often people may extend a session.")
    end_notice = models.DurationField(
        "end notification", default=dt.timedelta(minutes=10), help_text="The user is warned this long before the end."
    )
    notes_required = models.BooleanField(default=False)
    ticket_required = models.BooleanField(default=False)
    confirm_at_start = models.BooleanField(**second_factor.AT_START)
    confirm_at_connect = models.BooleanField(**second_factor.AT_CONNECT)
    record = models.BooleanField(default=True, help_text="Record the terminal of each connection to a host.")
    record_input = models.BooleanField(
        default=False, help_text="Also record what people type, passwords too. It is stored encrypted."
    )
    recording_days = models.PositiveIntegerField(
        "keep recordings for", default=0, help_text="Days until recordings are removed. With 0 they stay for ever."
    )
    tcp_targets = models.CharField(
        "TCP forwarding to",
        max_length=500,
        blank=True,
        help_text="People may forward TCP connections to these targets. Write host:port as the resource reaches it, "
        "and separate targets with commas. Leave it empty to forbid forwarding.",
    )
    terminal_language = models.CharField("language of the terminal in the browser", **terms.LOCALE)
    keep_home = models.BooleanField(
        default=False, help_text="Keep the home directory of an ephemeral account. Only root can read it."
    )
    compare_host = models.BooleanField(
        "compare the host",
        default=False,
        help_text="Read the accounts, sudo rules, keys, jobs, units, setuid files and open ports of the host "
        "before and after each session, and show what is new. This takes some seconds.",
    )
    logon_monitor_interval = models.PositiveIntegerField(
        default=30, validators=[MinValueValidator(5)], help_text="Seconds between checks of who is logged on."
    )
    secret_view_timeout = models.PositiveIntegerField(default=20, help_text="How many seconds a secret is shown.")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(maximum_duration__gt=dt.timedelta(0)), name="profile_duration_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(approval_timeout__gt=dt.timedelta(0)), name="profile_timeout_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return numbered("profile", self.pk)

    @property
    def confirms(self) -> str:
        """Return when a fresh second factor is asked for, as the end of a sentence; an empty string for never."""
        return second_factor.when(at_start=self.confirm_at_start, at_connect=self.confirm_at_connect)

    def clean(self) -> None:
        """Raise ValidationError for values that the database or the gateway would refuse."""
        if problem := terms.problem_of_tcp_targets(self.tcp_targets):
            raise ValidationError({"tcp_targets": problem})
        if problems := problems_of_limits(self):
            raise ValidationError(problems)


class ApprovalTier(models.Model):
    """One step of approval: how many of which users or groups must approve.

    The tiers of a profile are asked in order, and there are at most three.
    """

    profile = models.ForeignKey(ConnectionProfile, models.CASCADE, related_name="tiers")
    order = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(3)])
    required = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1)], help_text="This many of the users and group members must approve."
    )
    users = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="+")
    groups = models.ManyToManyField(Group, blank=True, related_name="+")

    class Meta:
        ordering = ["profile", "order"]
        constraints = [
            models.UniqueConstraint(fields=["profile", "order"], name="tier_order_once"),
            models.CheckConstraint(condition=models.Q(order__gte=1, order__lte=3), name="tier_at_most_three"),
            models.CheckConstraint(condition=models.Q(required__gte=1), name="tier_required_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.profile} tier {self.order}"


class AccessPolicyQuerySet(models.QuerySet["AccessPolicy"]):
    """Selections of access policies."""

    def for_user(self, user: Person) -> Self:
        """Return active policies that name the user or one of the user's groups, lowest priority number first."""
        return (
            self.filter(is_active=True)
            .filter(models.Q(users=user.pk) | models.Q(groups__user=user.pk))
            .order_by("priority", "name", "pk")
            .distinct()
        )


class AccessPolicy(models.Model):
    """Allows users and groups to run activities on resources, under one connection profile."""

    name = models.CharField(max_length=120, unique=True)
    priority = models.PositiveIntegerField(
        default=100, help_text="If several policies match, the one with the lowest number is used."
    )
    users = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="access_policies")
    groups = models.ManyToManyField(Group, blank=True, related_name="access_policies")
    activities = models.ManyToManyField(Activity, related_name="policies")
    resources = models.ManyToManyField(Resource, related_name="policies")
    profile = models.ForeignKey(ConnectionProfile, models.PROTECT, related_name="policies")
    is_active = models.BooleanField("active", default=True)
    keeps_open_sessions = models.BooleanField(
        "let open sessions run to their end",
        default=False,
        help_text="When somebody withdraws the right to an open session, the session ends within seconds. With this "
        "option it goes on until its planned end, but cannot be extended.",
    )

    objects = AccessPolicyQuerySet.as_manager()

    class Meta:
        ordering = ["priority", "name"]
        verbose_name_plural = "access policies"

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return numbered("policy", self.pk)
