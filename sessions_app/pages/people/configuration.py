"""What administrators add and change among people: users, groups and applications, and the password of another person.

Only superusers change superusers. Accounts are disabled and never deleted, so that the history stays complete.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Group
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from activity.viewer import viewer
from sessions_app.admin.password_hashing import hash_password_before
from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.configuration.views import Configuration
from sessions_app.login_rules.models import SignInSettings
from sessions_app.outcome import outcome
from sessions_app.pages.people.tables import visible_accounts
from sessions_app.people.account_forms import (
    ROLE_GROUPS,
    AccountForm,
    ApplicationForm,
    GroupForm,
    PasswordForm,
    UserForm,
)
from sessions_app.people.models import Application
from sessions_app.scim.models import ScimGroup

SUPERUSERS_ONLY = "Only superusers change superusers."


class AccountConfiguration(Configuration):
    """Manages objects by a form that knows who fills it in."""

    def make_form(self, request: HttpRequest, data: Any, thing: Model | None, initial: Any = None) -> ConfigurationForm:
        """Return the form for this administrator."""
        assert issubclass(self.form, AccountForm)  # noqa: S101 - for the type checker
        return self.form(data, actor=viewer(request), instance=thing, initial=initial)


class NeverDeleted(AccountConfiguration):
    """Manages accounts, which have no address to delete them."""

    def urls(self, prefix: str) -> list[URLPattern]:
        """Return the addresses to add and to change."""
        return [each for each in super().urls(prefix) if each.name != f"{self.name}_delete"]

    def links(self, request: HttpRequest, thing: Model) -> dict[str, str]:
        """Return the address of the form."""
        if not self.may_change(viewer(request), thing):
            return {}
        return {"change": reverse(f"{self.name}_change", args=[thing.pk])}


class UserConfiguration(NeverDeleted):
    """Manages people."""

    model = get_user_model()
    form = UserForm
    name = "user"
    list_name = "users"

    def visible(self, person: AbstractUser) -> QuerySet[Any]:
        """Return the people whom the person may see. The account of an application has the form of the application."""
        accounts: QuerySet[Any] = visible_accounts(person).filter(application=None)
        return accounts

    def refusal(self, person: AbstractUser, thing: Any) -> str:
        """Return why this administrator may not change the person; an empty string if they may."""
        return SUPERUSERS_ONLY if thing is not None and thing.is_superuser and not person.is_superuser else ""

    def page_of(self, thing: Any) -> str:
        """Return the address of the person's page."""
        return reverse("user", args=[thing.pk])

    def links(self, request: HttpRequest, thing: Model) -> dict[str, str]:
        """Return the addresses of the form, of the form for a password and, with providers, of single sign-on."""
        links = super().links(request, thing)
        if links:
            links["factors"] = reverse("user_factors", args=[thing.pk])
            links["password"] = reverse("user_password", args=[thing.pk])
            links["login_rule"] = reverse("user_login_rule", args=[thing.pk])
            if settings.SSO_PROVIDERS:
                links["sso"] = reverse("user_sso", args=[thing.pk])
        return links


class GroupConfiguration(AccountConfiguration):
    """Manages groups. The two groups that are roles are never deleted, and keep their names."""

    model = Group
    form = GroupForm
    name = "group"
    list_name = "groups"
    instead = "Take it out of there first."
    parts = (ScimGroup,)

    def deletion_refusal(self, person: AbstractUser, thing: Any) -> str:
        """Return why the group cannot be deleted; an empty string if it can."""
        if thing.name in ROLE_GROUPS:
            return f"The group {thing.name} is a role and is never deleted."
        return super().deletion_refusal(person, thing)

    def page_of(self, thing: Any) -> str:
        """Return the address of the group's page."""
        return reverse("group", args=[thing.pk])

    def links(self, request: HttpRequest, thing: Model) -> dict[str, str]:
        """Return the addresses of the buttons, with the form for the login rule of the members."""
        links = super().links(request, thing)
        return links | {"login_rule": reverse("group_login_rule", args=[thing.pk])} if links else links


class ApplicationConfiguration(NeverDeleted):
    """Manages applications and their accounts."""

    model = Application
    form = ApplicationForm
    name = "application"
    list_name = "applications"

    def refusal(self, person: AbstractUser, thing: Any) -> str:
        """Return why this administrator may not change the application; an empty string if they may."""
        is_out_of_reach = thing is not None and thing.principal.is_superuser and not person.is_superuser
        return SUPERUSERS_ONLY if is_out_of_reach else ""


USERS, GROUPS, APPLICATIONS = UserConfiguration(), GroupConfiguration(), ApplicationConfiguration()


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def user_password(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the form for another person's password (GET), or set it (POST), which ends their logins.

    The password is hashed before the transaction begins. One's own is changed on the page that asks for the old one.
    """
    person = USERS.find(request, pk)
    if person.pk == viewer(request).pk:
        return redirect("password_change")
    data = request.POST if request.method == "POST" else None
    is_break_glass = SignInSettings.is_break_glass(person.pk)
    form = PasswordForm(person, data, is_break_glass=is_break_glass)
    if form.is_valid():
        with hash_password_before(form), transaction.atomic():
            form.save()
        said = f"The password of {person} was set, and their logins have ended."
        if not form.cleaned_data["set_usable_password"]:
            said = f"{person} has no password any more, and their logins have ended."
        return outcome(request, [("success", said)], USERS.page_of(person))
    context = {
        "title": f"Password of {person}",
        "person": person,
        "form": form,
        "is_break_glass": is_break_glass,
        "back": USERS.page_of(person),
    }
    response = render(
        request, "sessions_app/pages/people/user_password.html", context, status=422 if form.is_bound else 200
    )
    response["Cache-Control"] = "no-store"
    return response
