"""The links beside every page, in five groups, by role.

They are written in Python, because some twenty links of a template cost each page as much as a list of thirty rows
(docs/decisions/0019). Addresses are looked up once in a process. Whoever adds a page that people look for adds it here.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.addresses import numbered
from activity.listing.columns import escaped

# Who sees a link: everybody, whoever may request, those who see everything, administrators.
EVERYBODY, REQUESTERS, READERS, ADMINISTRATORS = "everybody", "requesters", "readers", "administrators"


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """One link: the name of its address, its words, its drawing in badges.css, and who sees it.

    `below` are the names of pages that belong to it, `kind` is what it is called where one jumps to it.
    """

    name: str
    label: str
    icon: str
    audience: str = EVERYBODY
    below: tuple[str, ...] = ()
    kind: str = "Page"


WrittenGroups = tuple[tuple[str, tuple[tuple[Link, str, str], ...]], ...]  # title, links, HTML around their state


BELOW_REVIEWS = (
    *("log_review", "log_review_add", "log_review_sign", "log_review_discard", "review_exception"),
    *("review_exception_add", "access_reviews", "access_review", "access_review_add", "access_review_change"),
    *("access_review_commit", "access_exceptions", "access_exception_lift"),
)
OVERVIEW = Link("home", "Overview", "home")
GROUPS: tuple[tuple[str, tuple[Link, ...]], ...] = (
    (
        "Work",
        (
            Link("sessions", "Sessions", "terminal", below=("session", "session_log", "session_terminal")),
            Link("approvals", "Approvals", "inbox"),
            Link("session_request", "Request session", "plus", REQUESTERS, kind="Action"),
        ),
    ),
    (
        "Watch",
        (
            Link("logins", "Session Information", "desktop"),
            Link("recordings", "Recordings", "play", below=("recording", "recording_live")),
            Link("activity_log", "Activity log", "list", below=("activity_entry",)),
            Link("reports", "Reports", "report", READERS, below=("report",)),
            Link(
                "schedules",
                "Scheduled exports",
                "clock",
                READERS,
                below=("schedule", "schedule_add", "schedule_change"),
            ),
            Link("reviews", "Reviews", "check", READERS, below=BELOW_REVIEWS),
            Link("health", "Health", "pulse", ADMINISTRATORS, below=("health_hosts",)),
        ),
    ),
    (
        "People",
        (
            Link("users", "Users", "user", READERS, below=("user",)),
            Link("groups", "Groups", "users", READERS, below=("group",)),
            Link("applications", "Applications", "bot", READERS, below=("application",)),
        ),
    ),
    (
        "Policy",
        (
            Link("resources", "Resources", "server", below=("resource", "host_check")),
            Link("activity_kinds", "Activities", "bolt", READERS, below=("activity_kind",)),
            Link("profiles", "Connection profiles", "sliders", READERS, below=("profile",)),
            Link("policies", "Access policies", "shield", READERS, below=("policy",)),
            Link("secrets", "Secrets", "key", READERS, below=("secret",)),
            Link("service_keys", "Service keys", "fingerprint", READERS, below=("service_key",)),
        ),
    ),
    (
        "Configuration",
        (
            Link("sign_in_settings", "Sign-in settings", "lock", ADMINISTRATORS),
            Link("evidence", "Evidence", "fingerprint", READERS),
            Link("scim_tokens", "SCIM tokens", "key", ADMINISTRATORS, below=("scim_token_add", "scim_token_revoke")),
            Link(
                "siem",
                "SIEM destinations",
                "right",
                ADMINISTRATORS,
                below=("siem_destination", "siem_destination_add", "siem_destination_change"),
            ),
            Link("admin:index", "Administration", "gear", ADMINISTRATORS),
        ),
    ),
)

# What can be jumped to beside these (sessions_app/pages/jump.py).
ELSEWHERE: tuple[Link, ...] = (
    Link("saved_views", "Saved views", "bookmark"),
    Link("account", "Profile", "user"),
    Link("settings", "Settings", "sliders"),
    Link("factors", "Second factors and passkeys", "lock"),
    Link("password_change", "Change password", "lock"),
    Link("ssh_key_add", "Add SSH key", "plus", kind="Action"),
    Link("logins_logout_others", "Logout of other browsers", "x", kind="Action"),
    Link("logins_map", "Map of live logins", "desktop"),
    Link("access_reviews", "Access reviews", "check"),
    Link("try_it", "Try it: who may do what", "check"),
    Link("help", "Help", "question"),
    Link("keys", "Keys", "info"),
    *(
        Link(f"{name}_add", f"Add {words}", "plus", ADMINISTRATORS, kind="Action")
        for name, words in (
            ("user", "user"),
            ("group", "group"),
            ("application", "application"),
            ("resource", "resource"),
            ("activity_kind", "activity"),
            ("profile", "connection profile"),
            ("policy", "access policy"),
            ("secret", "secret"),
            ("service_key", "service key"),
            ("siem_destination", "SIEM destination"),
        )
    ),
    Link("scim_token_add", "Make a SCIM token", "plus", ADMINISTRATORS, kind="Action"),
)


def audiences(*, is_administrator: bool, sees_everything: bool) -> frozenset[str]:
    """Return the audiences that a person of this role belongs to."""
    if is_administrator:
        return frozenset({EVERYBODY, REQUESTERS, READERS, ADMINISTRATORS})
    return frozenset({EVERYBODY, READERS}) if sees_everything else frozenset({EVERYBODY, REQUESTERS})


def links(
    here: str,
    role: frozenset[str],
    *,
    count: str = "",
    dot: str = "",
    favourites: Iterable[tuple[int, str]] = (),
    shown: int | None = None,
) -> SafeString:
    """Return the links for a person of this role.

    `here` is the name of the page, with its namespace. `count` goes beside Approvals and `dot` beside Health, as HTML.
    `favourites` are saved views, by key and name, of which the page may show one, `shown`.
    """
    # Favourites stand below Overview: at the end of the menu they would be under the fold.
    written = _written()
    extra = {"Approvals": count, "Health": dot}
    pieces = [
        *_pieces(written[:1], here, role, extra),
        *_favourites(favourites, shown),
        *_pieces(written[1:], here, role, extra),
    ]
    return SafeString("".join(pieces))  # safe: words of this file, and names that are escaped


def reachable(role: frozenset[str]) -> tuple[Link, ...]:
    """Return every link that a person of this role can follow, also those that stand elsewhere on the pages."""
    every = (OVERVIEW, *(link for _, members in GROUPS for link in members), *ELSEWHERE)
    return tuple(link for link in every if link.audience in role)


def _pieces(groups: WrittenGroups, here: str, role: frozenset[str], extra: dict[str, str]) -> Iterator[str]:
    for title, members in groups:
        shown = [one for one in members if one[0].audience in role]
        if not shown:
            continue
        if title:
            key = f"nav-{title.lower()}"
            yield f'<p class="nav-title" id="{key}">{title}</p><ul aria-labelledby="{key}">'
        else:
            yield "<ul>"
        for link, before, after in shown:
            yield before
            if here == link.name:
                yield ' aria-current="page"'
            elif here in link.below or (link.name == "admin:index" and here.startswith("admin:")):
                yield ' aria-current="true"'
            yield after
            yield extra.get(link.label, "")
            yield "</a></li>"
        yield "</ul>"


def _favourites(views: Iterable[tuple[int, str]], shown: int | None) -> Iterator[str]:
    """Yield the saved views that the person put into their navigation, in their order."""
    before = '<p class="nav-title" id="nav-favourites">Favourites</p><ul aria-labelledby="nav-favourites">'
    for pk, name in views:
        current = ' aria-current="page"' if pk == shown else ""
        yield (
            f'{before}<li><a href="{numbered("saved_view", pk)}"{current}>'
            f'<span class="icon i-bookmark" aria-hidden="true"></span><span>{escaped(name)}</span></a></li>'
        )
        before = ""
    if not before:
        yield "</ul>"


@functools.cache
def _written() -> WrittenGroups:
    """Return each group with its links, and the HTML of each link before and after what says that it is the page."""
    return tuple((title, tuple(_one(link) for link in members)) for title, members in (("", (OVERVIEW,)), *GROUPS))


def _one(link: Link) -> tuple[Link, str, str]:
    before = format_html('<li><a href="{}"', reverse(link.name))
    after = format_html('><span class="icon i-{}" aria-hidden="true"></span>{}', link.icon, link.label)
    return link, before, after
