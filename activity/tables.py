"""The activity log as a table, on its own page and on the pages of users, groups and applications.

Its columns are also those of the download (docs/activity-log.md); the hidden ones are there for it.
"""

from __future__ import annotations

import json

from activity import log
from activity.addresses import numbered
from activity.listing import Column, Table, badge, empty, link, moment
from activity.listing.cells import Named
from activity.models import Level, LogEntry
from activity.verbs import Verb

# Each level's badge: its colour and its symbol.
LEVEL_BADGES = {
    Level.DEBUG: ("debug", "bug"),
    Level.INFO: ("info", "info"),
    Level.WARNING: ("warning", "warning"),
    Level.ERROR: ("error", "error"),
}
VERB_LABELS: dict[str, str] = dict(Verb.choices)


def level_badge(entry: LogEntry) -> str:
    """How much the entry matters, as icon and text."""
    level = Level(entry.level)
    kind, icon = LEVEL_BADGES[level]
    return badge(kind, level.label, icon)


def verb_label(entry: LogEntry) -> str:
    """What was done, in words. As get_verb_display(), which goes through all verbs for each row."""
    return VERB_LABELS.get(entry.verb, entry.verb)


def details_text(entry: LogEntry) -> str:
    """The details as JSON on one line, empty where there are none."""
    return json.dumps(entry.details, ensure_ascii=False, sort_keys=True) if entry.details else ""


def _at(entry: LogEntry) -> str:
    return link(numbered("activity_entry", entry.pk), moment(entry.at))


def _target(entry: LogEntry) -> str:
    return link(log.target_url(entry), entry.target_name) if entry.target_name else empty("")


# By anything but the time a part of the log is sorted, not the whole: each further order would be an index that every
# single entry is written to.
COLUMNS = (
    Column("id", "ID", lambda entry: str(entry.pk), csv=lambda entry: entry.pk, copied="pk", width=80, is_hidden=True),
    Column("at", "Date and time", _at, sort="at", csv=lambda entry: entry.at, copied="at", width=175),
    Column(
        "level",
        "Level",
        level_badge,
        sort="level",
        sorts_few=True,
        csv=lambda entry: Level(entry.level).label.lower(),
        copied=Named("level", {level: level.label.lower() for level in Level}),
        width=105,
    ),
    Column(
        "actor",
        "Actor",
        lambda entry: entry.actor_name or "System",
        sort="actor_name",
        sorts_few=True,
        width=105,
        csv=lambda entry: entry.actor_name,
        copied="actor_name",
    ),
    Column(
        "user",
        "User",
        lambda entry: empty(entry.user_name),
        sort="user_name",
        sorts_few=True,
        width=105,
        csv=lambda entry: entry.user_name,
        copied="user_name",
    ),
    Column(
        "verb", "Verb", lambda entry: entry.verb, csv=lambda entry: entry.verb, copied="verb", width=160, is_hidden=True
    ),
    Column(
        "activity",
        "Activity",
        verb_label,
        sort="verb",
        sorts_few=True,
        width=180,
        csv=verb_label,
        copied=Named("verb", VERB_LABELS),
    ),
    Column(
        "message", "Message", lambda entry: entry.message, csv=lambda entry: entry.message, copied="message", width=400
    ),
    Column(
        "target_type",
        "Target type",
        lambda entry: empty(entry.target_type),
        width=160,
        is_hidden=True,
        csv=lambda entry: entry.target_type,
        copied="target_type",
    ),
    Column(
        "target_id",
        "Target ID",
        lambda entry: empty(entry.target_id),
        width=90,
        is_hidden=True,
        csv=lambda entry: entry.target_id,
        copied="target_id",
    ),
    Column(
        "target",
        "Target",
        _target,
        sort="target_name",
        sorts_few=True,
        csv=lambda entry: entry.target_name,
        copied="target_name",
        width=195,
    ),
    Column(
        "ip",
        "IP",
        lambda entry: empty(entry.ip),
        sort="ip",
        sorts_few=True,
        csv=lambda entry: entry.ip,
        copied="ip",
        width=115,
    ),
    Column(
        "details",
        "Details",
        lambda entry: empty(details_text(entry)),
        csv=details_text,
        copied="details",
        width=300,
        is_hidden=True,
    ),
)


def log_table(words: str = "", empty_text: str = "") -> Table:
    """The table of log entries, newest first; `words` say which ("in the last 7 days")."""
    return Table(
        name="activity",
        columns=COLUMNS,
        default_sort="-at",
        noun=f"entry {words}".strip(),
        nouns=f"entries {words}".strip(),
        empty_text=empty_text,
        row_name=lambda entry: f"{entry.at:%Y-%m-%d %H:%M:%S} {entry.message}",
    )
