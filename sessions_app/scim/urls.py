"""Addresses of SCIM, and of the pages on which administrators make and revoke its tokens."""

from django.urls import path

from sessions_app.scim import views
from sessions_app.scim.api import Unknown, scim_view
from sessions_app.scim.token_pages import scim_token_add, scim_token_revoke, scim_tokens

urlpatterns = [
    path("scim-tokens/", scim_tokens, name="scim_tokens"),
    path("scim-tokens/add/", scim_token_add, name="scim_token_add"),
    path("scim-tokens/<int:pk>/revoke/", scim_token_revoke, name="scim_token_revoke"),
    path("scim/v2/Users", scim_view(views.Users), name="scim_users"),
    path("scim/v2/Users/<str:scim_id>", scim_view(views.OneUser), name="scim_user"),
    path("scim/v2/Groups", scim_view(views.Groups), name="scim_groups"),
    path("scim/v2/Groups/<str:scim_id>", scim_view(views.OneGroup), name="scim_group"),
    path("scim/v2/ServiceProviderConfig", scim_view(views.Config), name="scim_config"),
    path("scim/v2/ResourceTypes", scim_view(views.ResourceTypes), name="scim_resource_types"),
    path("scim/v2/ResourceTypes/<str:name>", scim_view(views.ResourceTypes), name="scim_resource_type"),
    path("scim/v2/Schemas", scim_view(views.Schemas), name="scim_schemas"),
    path("scim/v2/Schemas/<str:name>", scim_view(views.Schemas), name="scim_schema"),
    path("scim/v2/.search", scim_view(views.Search), name="scim_search"),
    path("scim/v2/<path:rest>", scim_view(Unknown), name="scim_unknown"),
]
