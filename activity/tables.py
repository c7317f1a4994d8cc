"""The activity log as a table, on its own page and on the pages of users, groups and applications.

Its columns are also those of the download (docs/activity-log.md); the hidden ones are there for it.
"""

from __future__ import annotations

import json

from activity import log, log_export
from activity.addresses import numbered
from activity.listing import Card, Column, Table, badge, empty, link, short_time
from activity.listing.csv_expressions import Named
from activity.models import Level, LogEntry, Outcome
from activity.names import now_column, then_and_now
from activity.times_in_text import with_local_times
from activity.verbs import Verb

# Each level's badge: its colour and its symbol.
LEVEL_BADGES = {
    Level.DEBUG: ("debug", "bug"),
    Level.INFO: ("info", "info"),
    Level.WARNING: ("warning", "warning"),
    Level.ERROR: ("error", "error"),
}
SHOWN_LEVELS = {level.value: badge(kind, level.label, icon) for level, (kind, icon) in LEVEL_BADGES.items()}
# What went well is most of all, and plain; the others stand out.
SHOWN_OUTCOMES = {
    Outcome.SUCCESS.value: Outcome.SUCCESS.label,
    Outcome.FAILURE.value: badge("failed", Outcome.FAILURE.label, "x"),
    Outcome.DENIED.value: badge("denied", Outcome.DENIED.label, "ban"),
}
VERB_LABELS: dict[str, str] = dict(Verb.choices)


def level_badge(entry: LogEntry) -> str:
    """Return the level of the entry as icon and text."""
    return SHOWN_LEVELS[entry.level]


def outcome_badge(entry: LogEntry) -> str:
    """Return how it ended, in words, with an icon where it did not succeed."""
    return SHOWN_OUTCOMES.get(entry.outcome, entry.outcome)


def verb_label(entry: LogEntry) -> str:
    """Return in words what was done. get_verb_display() would go through all verbs for each row."""
    return VERB_LABELS.get(entry.verb, entry.verb)


def details_text(entry: LogEntry) -> str:
    """Return the details as JSON on one line; empty where there are none."""
    return json.dumps(entry.details, ensure_ascii=False, sort_keys=True) if entry.details else ""


def message_text(entry: LogEntry) -> str:
    """Return the message with its times in the reader's zone. Downloads and the search have it as it is stored."""
    return with_local_times(entry.message)


def _at(entry: LogEntry) -> str:
    return link(numbered("activity_entry", entry.pk), short_time(entry.at))


def _target(entry: LogEntry) -> str:
    return link(log.target_url(entry), entry.target_name) if entry.target_name else empty("")


def actor_cell(entry: LogEntry) -> str:
    """Return who did it: the name at the time, and the name now where it differs (for entries of names.logged())."""
    return then_and_now(entry.actor_name, getattr(entry, "actor_now", None)) if entry.actor_name else "System"


def user_cell(entry: LogEntry) -> str:
    """Return the name of the person whom the entry concerns, as actor_cell() does."""
    return then_and_now(entry.user_name, getattr(entry, "user_now", None)) if entry.user_name else empty("")


# By anything but the time a part of the log is sorted, not the whole: each further order would be an index that every
# single entry is written to.
COLUMNS = (
    Column("id", "ID", "pk", 80, sort="", is_hidden=True),
    Column("at", "Date and time", "at", 162, _at),
    Column(
        "level",
        "Level",
        "level",
        98,
        level_badge,
        csv=lambda entry: Level(entry.level).label.lower(),
        sql=Named("level", {level: level.label.lower() for level in Level}),
        sorts_few=True,
    ),
    Column("actor", "Actor", "actor_name", 105, actor_cell, sorts_few=True),
    Column("user", "User", "user_name", 105, user_cell, sorts_few=True),
    Column("verb", "Verb", "verb", 160, sort="", is_hidden=True),
    Column("activity", "Activity", "verb", 175, verb_label, verb_label, sql=Named("verb", VERB_LABELS), sorts_few=True),
    Column("message", "Message", "message", 250, message_text, sort=""),
    Column("target_type", "Target type", "target_type", 160, sort="", is_hidden=True),
    Column("target_id", "Target ID", "target_id", 90, sort="", is_hidden=True),
    Column("target", "Target", "target_name", 150, _target, reads=("target_type", "target_id"), sorts_few=True),
    Column("ip", "IP", "ip", 115, sorts_few=True, is_hidden=True),
    Column(
        "details",
        "Details",
        "details",
        300,
        lambda entry: empty(details_text(entry)),
        details_text,
        sort="",
        sql="details",
        is_hidden=True,
    ),
    now_column("actor_now", "Actor now", "actor", "actor_name"),
    now_column("user_now", "User now", "user", "user_name"),
    # Last, because programs that read the file may count its columns.
    Column(
        "outcome",
        "Outcome",
        "outcome",
        100,
        outcome_badge,
        csv=lambda entry: entry.outcome,
        sql="outcome",
        sorts_few=True,
    ),
)


def log_table(words: str = "", empty_text: str = "") -> Table:
    """Return the table of log entries, newest first. `words` name them in the count, such as "in the last 7 days"."""
    return Table(
        name="activity",
        columns=COLUMNS,
        default_sort="-at",
        noun=f"entry {words}".strip(),
        nouns=f"entries {words}".strip(),
        plain_nouns="log entries",
        empty_text=empty_text,
        row_name=lambda entry: f"{entry.at:%Y-%m-%d %H:%M:%S} {entry.message}",
        reads=("at", "message"),
        opens="at",
        card=Card("at", "level", "message"),
        grows=("actor", "user"),
        flexible=("message", "details", "target", "activity"),
        json_lines=log_export.json_lines,
        proofs=log_export.proofs,
    )
