"""The activity log as others would show it: Django's admin, stock and tuned, and django-tables2 with django-filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django_filters
from django.contrib import admin
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db.models import Q, QuerySet
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django_filters.views import FilterView

from activity.models import LogEntry
from benchmarks.installed import PEERS

COLUMNS = ("at", "level", "actor_name", "user_name", "verb", "message", "target_name", "ip")
SEARCHED = ("message", "target_name", "actor_name", "user_name")  # as ours


class StockAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # takes no parameters at run time
    """The administration as somebody writes it who does not expect many rows."""

    list_display = COLUMNS
    list_filter = ("level", "at")
    search_fields = SEARCHED
    date_hierarchy = "at"
    ordering = ("-at", "-id")


class TunedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The administration, as fast as its settings allow: without a second count of all rows and without date links."""

    list_display = COLUMNS
    list_filter = ("level",)
    search_fields = SEARCHED
    ordering = ("-at", "-id")
    show_full_result_count = False


class LogFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """The same filters as in the console."""

    since = django_filters.DateTimeFilter(field_name="at", lookup_expr="gte")
    user = django_filters.CharFilter(field_name="user_name")
    activity = django_filters.CharFilter(method="holding")

    def holding(self, queryset: QuerySet[LogEntry], name: str, value: str) -> QuerySet[LogEntry]:
        """Return the entries with a keyword in any of the searched columns."""
        found = Q()
        for field in SEARCHED:
            found |= Q(**{f"{field}__icontains": value})
        return queryset.filter(found)

    class Meta:
        model = LogEntry
        fields = ["level"]


stock, tuned = admin.AdminSite("stock"), admin.AdminSite("tuned")
stock.register(LogEntry, StockAdmin)
tuned.register(LogEntry, TunedAdmin)
urlpatterns: list[Any] = [path("peer/stock/", stock.urls), path("peer/tuned/", tuned.urls)]


def tables2() -> URLPattern:
    """Show the page of django-tables2 with its ordinary paginator."""
    import django_tables2 as tables  # noqa: PLC0415 - a peer that may not be installed

    class LogTable(tables.Table):  # type: ignore[misc]  # the package has no types
        class Meta:
            model = LogEntry
            fields = COLUMNS
            order_by = ("-at", "-id")

    class LogView(LoginRequiredMixin, tables.SingleTableMixin, FilterView):  # type: ignore[misc]
        model = LogEntry
        table_class = LogTable
        filterset_class = LogFilter
        table_pagination = {"per_page": 100}  # not paginate_by: the view itself would then count a second time
        template_name = "peers/tables2.html"

    view: Callable[..., HttpResponseBase] = LogView.as_view()
    return path("peer/tables2/", view)


if PEERS["django_tables2"]:
    urlpatterns.append(tables2())
