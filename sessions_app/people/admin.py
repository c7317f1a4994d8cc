"""Administration of users, groups and applications.

Only a superuser makes or changes superusers, so that nobody gets more rights by this way. Users are disabled and never
deleted, so that the history stays complete.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from sessions_app.admin.autocomplete import KeyAutocomplete
from sessions_app.admin.confirm_ended_sessions import ConfirmsEndedSessions
from sessions_app.admin.deletion_protection import ProtectedWhileInUse
from sessions_app.admin.folded_search import FoldedSearch
from sessions_app.admin.password_hashing import NewUserForm, SetPasswordForm, hash_password_before
from sessions_app.people.models import Application
from sessions_app.roles import ADMINISTRATORS, AUDITORS

ABOUT_ROLES = (
    f"Members of the groups {ADMINISTRATORS} and {AUDITORS} have these roles. Users are never deleted, so that history "
    "stays true: take “active” away instead, which logs them out everywhere."
)

for unwanted in (User, Group):
    if admin.site.is_registered(unwanted):
        admin.site.unregister(unwanted)


@admin.register(get_user_model())
class ConsoleUserAdmin(KeyAutocomplete, ConfirmsEndedSessions, UserAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Manages people, and the user accounts that stand for applications."""

    list_display = ("username", "email", "first_name", "last_name", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser", "groups")
    filter_horizontal = ()
    autocomplete_fields = ("groups",)
    readonly_fields = ("last_login", "date_joined")
    add_form = NewUserForm
    change_password_form = SetPasswordForm
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Personal information", {"fields": ("first_name", "last_name", "email")}),
        (
            "Role",
            {
                "fields": ("is_active", "groups", "is_superuser"),
                "description": ABOUT_ROLES,
            },
        ),
        ("Important dates", {"fields": ("last_login", "date_joined")}),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False, because users are disabled and never deleted."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person may change `obj` or set its password: only superusers may for a superuser."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields that the person may not change.

        Only superusers make superusers, and nobody can take their own rights away by mistake.
        """
        fields = tuple(super().get_readonly_fields(request, obj))
        if not request.user.is_superuser:
            fields += ("is_superuser",)
        if obj is not None and obj.pk == request.user.pk:
            fields += ("is_active", "groups", "is_superuser")
        return fields

    @method_decorator(sensitive_post_parameters())
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> Any:
        """Add a user as Django does, but hash the password before the transaction begins."""
        if request.method != "POST":
            return super().add_view(request, form_url, extra_context)
        with hash_password_before(self.get_form(request)(request.POST)):
            return super().add_view(request, form_url, extra_context)

    @method_decorator(sensitive_post_parameters())
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        """Set a password, write the log entries and end the user's logins in one transaction.

        The password is hashed before the transaction begins. Refuse it for an application, which has no password.
        """
        person = self.get_object(request, unquote(id))
        if person is not None and Application.objects.filter(principal_id=person.pk).exists():
            text = f"{person} is an application and has no password. Nothing was changed."
            self.message_user(request, text, messages.ERROR)
            return redirect(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change", person.pk)
        if request.method != "POST" or person is None:
            return super().user_change_password(request, id, form_url)
        with hash_password_before(self.change_password_form(person, request.POST)), transaction.atomic():
            return super().user_change_password(request, id, form_url)


@admin.register(Group)
class ConsoleGroupAdmin(ConfirmsEndedSessions, ProtectedWhileInUse, GroupAdmin):
    """Manages the groups that policies and approval tiers name. The two groups that are roles cannot be changed."""

    instead = "Take it out of there first."
    filter_horizontal = ("permissions",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields; permissions only for superusers, because they could give more rights than a role does."""
        return ("name", "permissions") if request.user.is_superuser else ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return name and permissions for the two roles, which each migrate would restore anyway."""
        return ("name", "permissions") if _is_role(obj) else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the group may be deleted: never if it is a role."""
        return not _is_role(obj) and super().has_delete_permission(request, obj)


def _is_role(group: Any) -> bool:
    return group is not None and group.name in (ADMINISTRATORS, AUDITORS)


class ApplicationForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """The form for a new application: its name, its description and its owner."""

    name = forms.CharField(
        max_length=150, validators=[UnicodeUsernameValidator()], help_text="Use only letters, digits and @ . + - _"
    )

    class Meta:
        model = Application
        fields = ("description", "owner")

    def clean_name(self) -> str:
        """Return the name. Raise ValidationError if a user or an application has it already."""
        name: str = self.cleaned_data["name"]
        if get_user_model()._default_manager.filter(username=name).exists():
            raise forms.ValidationError("A user or an application has this name already. Choose another.")
        return name


@admin.register(Application)
class ApplicationAdmin(KeyAutocomplete, FoldedSearch):
    """Manages applications. Policies name them like users, and administrators request sessions for them."""

    list_display = ("principal", "owner", "is_active", "description")
    list_select_related = ("principal", "owner")
    search_fields = ("principal__username", "description")
    autocomplete_fields = ("owner",)
    form = ApplicationForm

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields; the name can be entered only for a new application."""
        return ("name" if obj is None else "principal", "description", "owner")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the account of an application that exists, because it never changes."""
        return () if obj is None else ("principal",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form; the form of an application that exists does not ask for the name."""
        if obj is not None:
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change=change, **kwargs)

    def save_model(self, request: HttpRequest, obj: Application, form: Any, change: bool) -> None:
        """Save the application. Make a user account without a password first if the application is new."""
        if not change:
            principal = get_user_model()(username=form.cleaned_data["name"])
            principal.set_unusable_password()
            principal.save()
            obj.principal = principal
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False, because the history refers to applications. Their accounts are disabled instead."""
        return False

    @admin.display(description="active", boolean=True)
    def is_active(self, application: Application) -> bool:
        """Return whether sessions can be requested for the application. It is changed on the page of its account."""
        return bool(application.principal.is_active)
