"""Users, groups and applications in the admin.

Two things are guarded here: nobody rises above themselves (only a superuser makes or changes superusers), and nobody
disappears from history (users are disabled, never deleted).
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

from sessions_app.admin.ending import ConfirmsEndedSessions
from sessions_app.admin.finding import KeyAutocomplete
from sessions_app.admin.folded import FoldedSearch
from sessions_app.admin.hashed import NewUserForm, SetPasswordForm, hashed_before
from sessions_app.admin.in_use import ProtectedWhileInUse
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
class PersonAdmin(KeyAutocomplete, ConfirmsEndedSessions, UserAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """People, and the principals of applications."""

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
        """Never: disable the user instead."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers are changed, and given a new password, by superusers only."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nobody makes a superuser but a superuser; nobody takes their own rights away by mistake."""
        fields = tuple(super().get_readonly_fields(request, obj))
        if not request.user.is_superuser:
            fields += ("is_superuser",)
        if obj is not None and obj.pk == request.user.pk:
            fields += ("is_active", "groups", "is_superuser")
        return fields

    @method_decorator(sensitive_post_parameters())
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> Any:
        """As usual, and the password is hashed before the transaction begins."""
        if request.method != "POST":
            return super().add_view(request, form_url, extra_context)
        with hashed_before(self.get_form(request)(request.POST)):
            return super().add_view(request, form_url, extra_context)

    @method_decorator(sensitive_post_parameters())
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        """With its log entries and the end of the person's logins in one transaction, which begins when the password
        is hashed; applications have none."""
        person = self.get_object(request, unquote(id))
        if person is not None and Application.objects.filter(principal_id=person.pk).exists():
            text = f"{person} is an application and has no password. Nothing was changed."
            self.message_user(request, text, messages.ERROR)
            return redirect(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change", person.pk)
        if request.method != "POST" or person is None:
            return super().user_change_password(request, id, form_url)
        with hashed_before(self.change_password_form(person, request.POST)), transaction.atomic():
            return super().user_change_password(request, id, form_url)


@admin.register(Group)
class PeopleGroupAdmin(ConfirmsEndedSessions, ProtectedWhileInUse, GroupAdmin):
    """Groups name people in policies and approval tiers; two of them are roles, which stay as they are."""

    instead = "Take it out of there first."
    filter_horizontal = ("permissions",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Permissions are for superusers: they could give more than a role does."""
        return ("name", "permissions") if request.user.is_superuser else ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The two roles keep their name and their permissions, which each migrate would mend anyway."""
        return ("name", "permissions") if _is_role(obj) else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The two roles stay."""
        return not _is_role(obj) and super().has_delete_permission(request, obj)


def _is_role(group: Any) -> bool:
    return group is not None and group.name in (ADMINISTRATORS, AUDITORS)


class ApplicationForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """An application by its name; the account behind it is made without a password."""

    name = forms.CharField(
        max_length=150, validators=[UnicodeUsernameValidator()], help_text="Letters, digits and @ . + - _ only."
    )

    class Meta:
        model = Application
        fields = ("description", "owner")

    def clean_name(self) -> str:
        """A name that no user and no application has."""
        name: str = self.cleaned_data["name"]
        if get_user_model()._default_manager.filter(username=name).exists():
            raise forms.ValidationError("A user or an application has this name already. Choose another.")
        return name


@admin.register(Application)
class ApplicationAdmin(KeyAutocomplete, FoldedSearch):
    """Non-human principals. Named in policies like users; administrators request sessions for them."""

    list_display = ("principal", "owner", "is_active", "description")
    list_select_related = ("principal", "owner")
    search_fields = ("principal__username", "description")
    autocomplete_fields = ("owner",)
    form = ApplicationForm

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The name is chosen once."""
        return ("name" if obj is None else "principal", "description", "owner")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The account stays the same for ever."""
        return () if obj is None else ("principal",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Without the name where it is not asked."""
        if obj is not None:
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change=change, **kwargs)

    def save_model(self, request: HttpRequest, obj: Application, form: Any, change: bool) -> None:
        """Make the account first, when the application is new."""
        if not change:
            principal = get_user_model()(username=form.cleaned_data["name"])
            principal.set_unusable_password()
            principal.save()
            obj.principal = principal
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: history names it. Disable its account instead."""
        return False

    @admin.display(description="active", boolean=True)
    def is_active(self, application: Application) -> bool:
        """Whether sessions can be requested for it; changed on the page of its account."""
        return bool(application.principal.is_active)
