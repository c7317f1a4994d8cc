"""The forms by which administrators add and change users, groups and applications.

Only superusers make superusers, and nobody changes their own role, so that nobody gets or loses rights by mistake.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractUser, Group
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db.models import Model

from sessions_app.admin.password_hashing import SetPasswordForm
from sessions_app.choosing import ChosenField, NamedField, groups_field, users_field
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.people.models import Application
from sessions_app.people.passwords import random_password
from sessions_app.roles import ADMINISTRATORS, AUDITORS

User = get_user_model()
ROLE_GROUPS = (ADMINISTRATORS, AUDITORS)
ABOUT_ROLES = f"Members of {ADMINISTRATORS} and {AUDITORS} have these roles."
ABOUT_INITIAL = "At least 12 characters. It is good for 7 days and has to be changed at the first login with it."
ABOUT_BREAK_GLASS = (
    "At least 12 characters. It stays good and is not changed at a login: this is a break-glass account."
)
DISABLING = "Clear it to disable the account, which logs the person out everywhere. Accounts are never deleted."


class AccountForm(ConfigurationForm):
    """A form that knows who fills it in."""

    def __init__(self, data: Any = None, *, actor: AbstractUser, instance: Any = None, initial: Any = None) -> None:
        self.actor = actor
        super().__init__(data, instance=instance, initial=initial)
        for name in self.not_for(actor):
            self.fields.pop(name, None)

    def not_for(self, actor: AbstractUser) -> set[str]:
        """Return the names of the fields that this person may not change."""
        return set()


class UserForm(AccountForm):
    """The form of a person. A new one may get a password; later that has a page of its own."""

    help = ("how-to/people", "add-a-person", "How to add a person")
    groups = groups_field(required=False, help_text=ABOUT_ROLES)
    password = forms.CharField(
        required=False,
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    sections = (("Role", ("groups", "is_superuser", "is_active")), ("First login", ("password",)))
    write_only = ("password",)

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email", "groups", "is_superuser", "is_active")
        labels = {"username": "User name", "email": "E-mail"}
        help_texts = {
            "username": "Letters, digits and the signs @ . + - _ only. Accounts on hosts get their names from it.",
            "is_active": DISABLING,
            "is_superuser": "May do everything, and change superusers.",
        }

    def add_fields(self) -> None:
        """Propose a random password, another one whenever the form is shown."""
        self.fields[
            "password"
        ].help_text = f"{ABOUT_INITIAL} Leave it empty if the person gets one later. A random one: {random_password()}"

    def not_for(self, actor: AbstractUser) -> set[str]:
        """Return what this person may not change: their own role, and superusers unless they are one."""
        found = {"password"} if self.instance.pk else set()
        if not actor.is_superuser:
            found |= {"is_superuser"}
        if self.instance.pk == actor.pk:
            found |= {"is_active", "groups", "is_superuser"}
        return found

    def clean_password(self) -> str:
        """Return the hash of the password; an empty string if none was typed. The transaction has not begun yet."""
        password: str = self.cleaned_data["password"]
        if not password:
            return ""
        about = User(
            **{name: self.cleaned_data.get(name, "") for name in ("username", "first_name", "last_name", "email")}
        )
        validate_password(password, about)
        return make_password(password)

    def save_for(self, actor: Any) -> Model:
        """Save the person, a new one with the password or without one that can be used."""
        if "password" in self.fields:
            self.instance.password = self.cleaned_data["password"] or make_password(None)
        return super().save_for(actor)


class PasswordForm(SetPasswordForm):
    """The form by which an administrator sets or takes away the password of another person."""

    def __init__(self, user: AbstractUser, data: Any = None, *, is_break_glass: bool = False) -> None:
        super().__init__(user, data)
        self.label_suffix = ""
        about = ABOUT_BREAK_GLASS if is_break_glass else ABOUT_INITIAL
        texts = {
            "password1": ("New password", f"{about} A random one: {random_password()}"),
            "password2": ("The same once more", ""),
        }
        for name, (label, help_text) in texts.items():
            self.fields[name].label, self.fields[name].help_text = label, help_text
        choice = self.fields.get("usable_password")
        if choice is None:  # there is no password to take away
            return
        assert isinstance(choice, forms.ChoiceField)  # noqa: S101 - for the type checker
        choice.label, choice.help_text = "How the person logs in", ""
        choice.choices = [("true", "With the new password"), ("false", "Without a password: the one so far is lost")]


class GroupForm(AccountForm):
    """The form of a group: its name and its members. The name of a role never changes."""

    help = ("how-to/people", "groups", "What groups are for")
    members = users_field(required=False)

    class Meta:
        model = Group
        fields = ("name",)

    def __init__(self, data: Any = None, *, actor: AbstractUser, instance: Any = None, initial: Any = None) -> None:
        if instance is not None:
            initial = {**(initial or {}), "members": list(instance.user_set.values_list("pk", flat=True))}
        super().__init__(data, actor=actor, instance=instance, initial=initial)

    def not_for(self, actor: AbstractUser) -> set[str]:
        """Return the name for a role, which each migrate would restore anyway."""
        return {"name"} if self.instance.pk and self.instance.name in ROLE_GROUPS else set()

    def clean_members(self) -> list[int]:
        """Return the keys of the members.

        Raise ValidationError if the person's own groups would change, or those of a superuser.
        """
        members: list[int] = self.cleaned_data["members"]
        field = self.fields["members"]
        assert isinstance(field, ChosenField)  # noqa: S101 - for the type checker
        changed = field.current ^ set(members)
        if self.actor.pk in changed:
            raise forms.ValidationError("You cannot change your own groups. Ask another administrator.")
        if not self.actor.is_superuser:
            superusers = User.objects.filter(pk__in=changed, is_superuser=True).values_list("username", flat=True)
            if superusers:
                raise forms.ValidationError(f"Only a superuser changes the groups of {', '.join(sorted(superusers))}.")
        return members

    def save_for(self, actor: Any) -> Model:
        """Save the group, and put people in and take them out."""
        group = super().save_for(actor)
        assert isinstance(group, Group)  # noqa: S101 - for the type checker
        group.user_set.set(self.cleaned_data["members"])
        return group


class ApplicationForm(AccountForm):
    """The form of an application, which is an account without a password. Its name never changes."""

    help = ("how-to/people", "applications", "What applications are")
    name = forms.CharField(
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        help_text="Letters, digits and the signs @ . + - _ only.",
    )
    owner = NamedField(
        User.objects.filter(application=None),
        "username",
        required=False,
        help_text="The user name of who looks after it.",
    )
    groups = groups_field(required=False)
    is_active = forms.BooleanField(
        label="Active",
        required=False,
        initial=True,
        help_text="Clear it to disable the account, which ends its sessions. Applications are never deleted.",
    )

    class Meta:
        model = Application
        fields = ("description", "owner")
        widgets = {"description": forms.Textarea(attrs={"rows": 2})}

    field_order = ("name", "description", "owner", "groups", "is_active")

    def __init__(self, data: Any = None, *, actor: AbstractUser, instance: Any = None, initial: Any = None) -> None:
        if instance is not None:
            account = instance.principal
            groups = list(account.groups.values_list("pk", flat=True))
            initial = {**(initial or {}), "groups": groups, "is_active": account.is_active}
        super().__init__(data, actor=actor, instance=instance, initial=initial)

    def not_for(self, actor: AbstractUser) -> set[str]:
        """Return the name for an application that exists."""
        return {"name"} if self.instance.pk else set()

    def clean_name(self) -> str:
        """Return the name. Raise ValidationError if a user or an application has it already."""
        name: str = self.cleaned_data["name"]
        if User.objects.filter(username=name).exists():
            raise forms.ValidationError("A user or an application has this name already. Choose another.")
        return name

    def save_for(self, actor: Any) -> Model:
        """Save the application and its account. A new account has no password."""
        values = self.cleaned_data
        if self.instance.pk is None:
            account = User(username=values["name"], is_active=values["is_active"], password=make_password(None))
            account.save()
            self.instance.principal = account
        account = self.instance.principal
        if account.is_active != values["is_active"]:
            account.is_active = values["is_active"]
            account.save(update_fields=["is_active"])
        saved = super().save_for(actor)
        account.groups.set(values["groups"])
        return saved
