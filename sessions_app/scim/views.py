"""The addresses of SCIM: users, groups, and what a client asks about the console first."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group as AuthGroup
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from scim2_models import (
    Context,
    NotFoundException,
    NotImplementedException,
    PatchOp,
    Resource,
    ResponseParameters,
    SearchRequest,
)

from activity.typed import LONGEST_IN_ADDRESS, refuse_unreadable_address, typed
from sessions_app.scim import filters
from sessions_app.scim.api import ScimView
from sessions_app.scim.flows import groups as group_flows
from sessions_app.scim.flows import users as user_flows
from sessions_app.scim.resources import (
    group_resource,
    pk_of,
    user_resource,
    visible_accounts,
    visible_groups,
    with_details,
    with_members,
)
from sessions_app.scim.schemas import CONFIG, DEFAULT_RESULTS, MOST_RESULTS, PROVIDER, Group, User
from sessions_app.sso.providers import providers


class Collection(ScimView):
    """What users and groups share. A subclass says how its rows are found, written and changed."""

    schema: Any
    search_of: Any  # the messages for this schema: pydantic takes as long to make such a class as for ten requests
    patch_of: Any
    kind: str  # as in ids: "user", "group"
    conditions: filters.Conditions

    def rows(self) -> QuerySet[Any]:
        """Return the rows that SCIM sees."""
        raise NotImplementedError

    def detailed(self, rows: QuerySet[Any], *, is_list: bool = False) -> QuerySet[Any]:
        """Return the rows with what resource() reads."""
        raise NotImplementedError

    def resource(self, row: Any) -> Resource[Any]:
        """Return a row as a SCIM resource."""
        raise NotImplementedError

    def find(self, scim_id: str, *, is_for_change: bool = False) -> Any:
        """Return the row with this id, locked if it is to be changed. Raise NotFoundException."""
        pk = pk_of(scim_id, self.kind)
        row = None
        if pk is not None:
            if is_for_change:
                model = self.rows().model
                model._default_manager.select_for_update(no_key=True).filter(pk=pk).first()
            row = self.detailed(self.rows().filter(pk=pk)).first()
        if row is None:
            raise NotFoundException(detail=f"There is no {self.kind} {scim_id[:60]}.")
        return row


class List(Collection):
    """The address of all of a kind: find some, or make one."""

    def create(self, resource: Any) -> Any:
        raise NotImplementedError

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return a page of what the filter finds, in the order of the ids."""
        refuse_unreadable_address(request.GET)
        asked = self.search_of.model_validate(request.GET.dict())
        rows = self.rows()
        if asked.filter is not None:
            rows = rows.filter(filters.condition(asked.filter.ast, self.conditions))
        start = asked.start_index or 1
        count = min(DEFAULT_RESULTS if asked.count is None else asked.count, MOST_RESULTS)
        total = rows.count()
        page = self.detailed(rows, is_list=True)[start - 1 : start - 1 + count] if start <= total and count else ()
        context = Context.RESOURCE_QUERY_RESPONSE
        found = [self.resource(row).model_dump(scim_ctx=context, response_parameters=asked) for row in page]
        return self.page_response(found, total, start)

    def post(self, request: HttpRequest) -> HttpResponse:
        asked = self.schema.model_validate(self.payload(), scim_ctx=Context.RESOURCE_CREATION_REQUEST)
        row = self.create(asked)
        return self.resource_response(self.resource(self.detailed(self.rows()).get(pk=row.pk)), 201)


class One(Collection):
    """The address of one: read, replace, change or remove it."""

    def change(self, row: Any, resource: Any) -> Any:
        """Make the row what the resource says."""
        raise NotImplementedError

    def remove(self, row: Any) -> None:
        raise NotImplementedError

    def get(self, request: HttpRequest, scim_id: str) -> HttpResponse:
        return self.resource_response(self.resource(self.find(scim_id)))

    def put(self, request: HttpRequest, scim_id: str) -> HttpResponse:
        """Replace it by what the client sends."""
        asked = self.schema.model_validate(self.payload(), scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST)
        with transaction.atomic():
            row = self.find(scim_id, is_for_change=True)
            before = self.resource(row)
            self.check_version(before)
            asked.replace(before)
            self.change(row, asked)
        return self.get(request, scim_id)

    def patch(self, request: HttpRequest, scim_id: str) -> HttpResponse:
        """Change what the operations of the client name. If one of them cannot be done, nothing is changed."""
        asked = self.patch_of.model_validate(self.payload(), scim_ctx=Context.RESOURCE_PATCH_REQUEST)
        with transaction.atomic():
            row = self.find(scim_id, is_for_change=True)
            resource = self.resource(row)
            self.check_version(resource)
            if asked.patch(resource):
                self.change(row, resource)
        return self.get(request, scim_id)

    def delete(self, request: HttpRequest, scim_id: str) -> HttpResponse:
        with transaction.atomic():
            row = self.find(scim_id, is_for_change=True)
            self.check_version(self.resource(row))
            self.remove(row)
        return HttpResponse(status=204)


class OfUsers(Collection):
    """Users: the people who log in. Applications are not seen."""

    schema = User
    search_of, patch_of, parameters_of = SearchRequest[User], PatchOp[User], ResponseParameters[User]
    kind = "user"
    conditions = filters.OF_USERS

    def rows(self) -> QuerySet[Any]:
        """Return the accounts that SCIM sees."""
        return visible_accounts()

    def detailed(self, rows: QuerySet[Any], *, is_list: bool = False) -> QuerySet[Any]:
        """Return the accounts with their groups."""
        return with_details(rows)

    def resource(self, row: Any) -> User:
        """Return an account as a user of SCIM."""
        return user_resource(row, self.address)


class OfGroups(Collection):
    """Groups. Those that are roles are seen only where SCIM_ROLE_GROUPS names them."""

    schema = Group
    search_of, patch_of, parameters_of = SearchRequest[Group], PatchOp[Group], ResponseParameters[Group]
    kind = "group"
    conditions = filters.OF_GROUPS

    def rows(self) -> QuerySet[AuthGroup]:
        """Return the groups that SCIM sees."""
        return visible_groups()

    def detailed(self, rows: QuerySet[AuthGroup], *, is_list: bool = False) -> QuerySet[AuthGroup]:
        """Return the groups with their members, unless a list is wanted without them."""
        excluded = [
            name.strip().lower()
            for name in typed(self.request.GET, "excludedAttributes", LONGEST_IN_ADDRESS).split(",")
        ]
        return rows if is_list and "members" in excluded else with_members(rows)

    def resource(self, row: AuthGroup) -> Group:
        """Return a group as a group of SCIM."""
        return group_resource(row, self.address)


class Users(OfUsers, List):
    """The address /Users, where all users are."""

    def create(self, resource: User) -> Any:
        return user_flows.create_user(resource, providers().get(self.token.provider))


class OneUser(OfUsers, One):
    """The address of one user, such as /Users/user-1."""

    def change(self, row: Any, resource: User) -> Any:
        return user_flows.change_user(row, resource, providers().get(self.token.provider))

    def remove(self, row: Any) -> None:
        """Disable the account, which is never deleted."""
        user_flows.remove_user(row)


class Groups(OfGroups, List):
    """The address /Groups, where all groups are."""

    def create(self, resource: Group) -> AuthGroup:
        return group_flows.create_group(resource)


class OneGroup(OfGroups, One):
    """The address of one group, such as /Groups/group-1."""

    def change(self, row: AuthGroup, resource: Group) -> AuthGroup:
        return group_flows.change_group(row, resource)

    def remove(self, row: AuthGroup) -> None:
        """Delete or empty the group."""
        group_flows.remove_group(row)


class Config(ScimView):
    """The address /ServiceProviderConfig, which says what of SCIM the console can do."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.resource_response(CONFIG)


class ResourceTypes(ScimView):
    """The address /ResourceTypes, and that of one of them."""

    def get(self, request: HttpRequest, name: str = "") -> HttpResponse:
        """Return them, or the one with this name."""
        found = [each for each in PROVIDER.resource_types if name in ("", each.id)]
        return _described(self, list(found), name)


class Schemas(ScimView):
    """The address /Schemas, and that of one of them."""

    def get(self, request: HttpRequest, name: str = "") -> HttpResponse:
        """Return them, or the one with this URN."""
        found = [each for each in PROVIDER.schemas if name in ("", each.id)]
        return _described(self, list(found), name)


class Search(ScimView):
    """The address /.search over all kinds, which RFC 7644 lets a server refuse."""

    def post(self, request: HttpRequest) -> HttpResponse:
        raise NotImplementedException(detail="This console searches /Users or /Groups, by a filter in the address.")


def _described(view: ScimView, found: list[Any], name: str) -> HttpResponse:
    if not name:
        return view.page_response([each.model_dump() for each in found], len(found))
    if not found:
        raise NotFoundException(detail=f"There is no {name[:100]} here.")
    return view.resource_response(found[0])


class Unknown(ScimView):
    """Every address below /scim/v2/ that is nothing: 404 in the form of SCIM."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Ask for the token first, so that strangers learn nothing."""
        self.http_method_not_allowed = self._not_found  # type: ignore[method-assign]
        return super().dispatch(request, *args, **kwargs)

    def _not_found(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        raise NotFoundException(detail="There is nothing at this address.")
