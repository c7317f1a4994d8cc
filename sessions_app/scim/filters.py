"""Reads a filter of SCIM as a condition of the database: `eq`, and several of them joined by `and`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.contrib.auth import get_user_model
from django.db.models import Q
from scim2_models import InvalidFilterException
from scim2_models.path import (
    CompareOperator,
    Comparison,
    FilterNode,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)

from sessions_app.scim.resources import pk_of, storable_text

Conditions = Mapping[str, Callable[[str], Q]]
ONLY_EQ = "This console knows the filter eq, also several of them joined by and."


def _has_member(scim_id: str) -> Q:
    """Return the condition for groups with this member. By a subquery, so that several members can be asked for."""
    memberships = get_user_model().groups.through._default_manager.filter(user=pk_of(scim_id, "user"))
    return Q(pk__in=memberships.values("group_id"))


# By the attribute in small letters. Strings that SCIM compares without their case are folded (activity/folding.py).
OF_USERS: Conditions = {
    "id": lambda value: Q(pk=pk_of(value, "user")),
    "externalid": lambda value: Q(scim_account__external_id=value),
    "username": lambda value: Q(username__folded_exact=value),
    "displayname": lambda value: Q(scim_account__display_name__folded_exact=value),
    "active": lambda value: Q(is_active=value.lower() == "true"),
    "emails": lambda value: Q(email__folded_exact=value),
    "emails.value": lambda value: Q(email__folded_exact=value),
}
OF_GROUPS: Conditions = {
    "id": lambda value: Q(pk=pk_of(value, "group")),
    "externalid": lambda value: Q(scim_group__external_id=value),
    "displayname": lambda value: Q(name__folded_exact=value),
    "members": _has_member,
    "members.value": _has_member,
}


class Translation(FilterVisitor[Q]):
    """Walks the tree of a filter and returns the condition. Raises InvalidFilterException for what is not known."""

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions

    def visit_comparison(self, node: Comparison) -> Q:
        """Return the condition of one comparison."""
        if node.op != CompareOperator.eq:
            raise InvalidFilterException(detail=ONLY_EQ)
        path = f"{node.attr_path.attr}.{node.attr_path.sub_attr}" if node.attr_path.sub_attr else node.attr_path.attr
        condition = self.conditions.get(path.lower())
        if condition is None:
            known = ", ".join(sorted(self.conditions))
            raise InvalidFilterException(detail=f"This console does not filter by {path}, but by {known}.")
        return condition(storable_text(str(node.value)))

    def visit_logical_expr(self, node: LogicalExpr) -> Q:
        """Return the condition of several comparisons."""
        if node.op != LogicalOperator.and_:
            raise InvalidFilterException(detail=ONLY_EQ)
        found = Q()
        for term in node.terms:
            found &= self.visit(term)
        return found

    def visit_present(self, node: Present) -> Q:
        """Refuse the operator pr."""
        raise InvalidFilterException(detail=ONLY_EQ)

    def visit_not(self, node: Not) -> Q:
        """Refuse the operator not."""
        raise InvalidFilterException(detail=ONLY_EQ)

    def visit_value_path(self, node: ValuePath) -> Q:
        """Refuse a filter in brackets."""
        raise InvalidFilterException(detail=ONLY_EQ)


def condition(tree: FilterNode, conditions: Conditions) -> Q:
    """Return the condition that a filter means."""
    return Translation(conditions).visit(tree)
