"""Addresses of SCIM, and of the pages on which administrators make and revoke its tokens."""

from collections.abc import Callable

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase
from django.urls import path
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt

from sessions_app.scim.token_pages import scim_token_add, scim_token_revoke, scim_tokens


def scim_view(name: str) -> Callable[..., HttpResponseBase]:
    """Return the view for an address: without the login and the CSRF token of a browser, because a token is needed.

    `name` is a class in views.py. That module is loaded at the first request, because the models of SCIM take a second
    of processor time, as much as everything else together: no command and no other page should wait for them.
    """

    @csrf_exempt
    @login_not_required
    def view(request: HttpRequest, **arguments: str) -> HttpResponseBase:
        answer: HttpResponseBase = import_string(f"sessions_app.scim.views.{name}").as_view()(request, **arguments)
        return answer

    return view


urlpatterns = [
    path("scim-tokens/", scim_tokens, name="scim_tokens"),
    path("scim-tokens/add/", scim_token_add, name="scim_token_add"),
    path("scim-tokens/<int:pk>/revoke/", scim_token_revoke, name="scim_token_revoke"),
    path("scim/v2/Users", scim_view("Users"), name="scim_users"),
    path("scim/v2/Users/<str:scim_id>", scim_view("OneUser"), name="scim_user"),
    path("scim/v2/Groups", scim_view("Groups"), name="scim_groups"),
    path("scim/v2/Groups/<str:scim_id>", scim_view("OneGroup"), name="scim_group"),
    path("scim/v2/ServiceProviderConfig", scim_view("Config"), name="scim_config"),
    path("scim/v2/ResourceTypes", scim_view("ResourceTypes"), name="scim_resource_types"),
    path("scim/v2/ResourceTypes/<str:name>", scim_view("ResourceTypes"), name="scim_resource_type"),
    path("scim/v2/Schemas", scim_view("Schemas"), name="scim_schemas"),
    path("scim/v2/Schemas/<str:name>", scim_view("Schemas"), name="scim_schema"),
    path("scim/v2/.search", scim_view("Search"), name="scim_search"),
    path("scim/v2/<path:rest>", scim_view("Unknown"), name="scim_unknown"),
]
