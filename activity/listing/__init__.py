"""The table machinery: columns, sort, search, keyset pages, fragments, downloads.

It knows the models of no page. Of the models it uses three: what a person prefers to see of a list, how they want their
downloads, and the log entry of a download.

A page declares a `Table` (its columns and words), hands `list_response()` a queryset, a filter set and a page template,
and gets a full page, an HTMX fragment, a 304 or a download.
"""

from activity.listing.columns import Card, Column, Table, badge, empty, link, shown
from activity.listing.download import Download
from activity.listing.errors import BadListRequest
from activity.listing.listing import Listing
from activity.listing.response import list_response
from activity.listing.times import counted_time, exact_time, moment, relative_time, short_time, span_of_time

__all__ = [
    "BadListRequest",
    "Card",
    "Column",
    "Download",
    "Listing",
    "Table",
    "badge",
    "counted_time",
    "empty",
    "exact_time",
    "link",
    "list_response",
    "moment",
    "relative_time",
    "short_time",
    "shown",
    "span_of_time",
]
