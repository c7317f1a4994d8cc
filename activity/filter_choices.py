"""What the menus of the log's filters offer: verbs by their groups, and kinds of targets."""

from __future__ import annotations

import functools
import itertools
import re

from django.apps import apps

from activity.verbs import Verb

# What people call the groups of verbs; others are called by the first part of their names.
GROUPS = {
    "login": "Logins",
    "factor": "Second factors",
    "account": "Accounts",
    "device": "Devices",
    "identity": "Single sign-on",
    "scim": "SCIM",
    "session": "Privileged sessions",
    "connector": "Steps on resources",
    "control": "Lock, unlock and end",
    "resource": "Resources",
    "secret": "Secrets",
    "key": "SSH keys",
    "certificate": "Certificates",
    "ticket": "Tickets of the gateway",
    "authority": "Certificate authority",
    "host": "Hosts",
    "connection": "Connections",
    "tcp": "Forwarded TCP",
    "file": "Files",
    "record": "Configuration",
    "recording": "Recordings",
    "export": "Exports",
    "view": "Saved views",
    "log": "The log itself",
    "access": "Refused attempts",
    "access_review": "Access reviews",
    "clock": "Clocks",
    "console": "Console",
    "encryption": "Encryption",
    "geoip": "GeoIP",
    "mail": "Mail",
    "process": "Starts and stops",
    "report": "Reports",
    "review": "Reviews of the log",
    "right": "Rights taken away",
    "schedule": "Scheduled exports",
    "seal": "Sealing",
    "siem": "SIEM destinations",
    "worker": "Worker",
}
TARGET_APPS = ("activity", "auth", "sessions_app")
# Models that no entry is about: what the console keeps for itself.
INNER = re.compile(
    "logentry|permission|seal|past|mark$|note$|notice$|state$|use$|settings$|heartbeat$|chunk$|text$|preference$|message$"
    "|prune|search$|files$|comparison$|watch$|enforcement$|providerlogin|logouttoken"
)
Choices = list[tuple[str, list[tuple[str, str]]]]


@functools.cache
def verbs_by_group() -> Choices:
    """Return all verbs under the names of their groups, each group first as a whole: login.*."""
    found: Choices = []
    for prefix, each in itertools.groupby(sorted(Verb.choices), key=lambda choice: choice[0].partition(".")[0]):
        members = sorted(each, key=lambda choice: choice[1])
        title = GROUPS.get(prefix, prefix.capitalize())
        whole = [(f"{prefix}.*", f"{title}: all")] if len(members) > 1 else []
        found.append((title, whole + members))
    return sorted(found)


def verbs_of(chosen: list[str]) -> list[str]:
    """Return the verbs of a choice, in which a group stands for all of its own."""
    prefixes = tuple(each[:-1] for each in chosen if each.endswith(".*"))
    return [verb for verb in Verb.values if verb in chosen or (prefixes and verb.startswith(prefixes))]


@functools.cache
def target_types() -> list[tuple[str, str]]:
    """Return the kinds of objects that entries are about, by the names of their models."""
    kinds = [
        (model._meta.label_lower, str(model._meta.verbose_name).capitalize())
        for app in TARGET_APPS
        for model in apps.get_app_config(app).get_models()
        if not INNER.search(str(model._meta.model_name))
    ]
    return sorted(kinds, key=lambda kind: kind[1])
