"""Settings of the benchmark: those of the tests, without production's slow hashing of passwords.

The peers that are installed stand beside our own apps (none with BENCH_WITHOUT_PEERS). BENCH_DATABASE is the database,
BENCH_DIR is where files go.
"""

import importlib.metadata
import os
import sys
import types
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("TEST_VAR_DIR", os.environ.get("BENCH_DIR", "var/bench"))

from benchmarks.installed import PEERS, WITHOUT
from sessionadmin.settings.test import *

if find_spec("pkg_resources") is None:
    # django-user-sessions asks setuptools for its own version, in a way that setuptools has given up.
    stand_in = types.ModuleType("pkg_resources")
    vars(stand_in).update(
        get_distribution=importlib.metadata.distribution, DistributionNotFound=importlib.metadata.PackageNotFoundError
    )
    sys.modules["pkg_resources"] = stand_in

DATABASES = {"default": database(os.environ["BENCH_DATABASE"])}
VAR_DIR = Path(os.environ["TEST_VAR_DIR"])
OPTIONAL = {
    "django_tables2": ["django_tables2"],
    "import_export": ["import_export"],
    "allauth": ["allauth.usersessions"],  # the others are ours
    "user_sessions": ["user_sessions"],
}
INSTALLED_APPS = [*INSTALLED_APPS, *(app for name, apps in OPTIONAL.items() if PEERS[name] for app in apps)]
if not WITHOUT:
    AUTHENTICATION_BACKENDS = [*AUTHENTICATION_BACKENDS, "django.contrib.auth.backends.ModelBackend"]
TEMPLATES[0]["DIRS"].append(BASE_DIR / "benchmarks" / "templates")
ROOT_URLCONF = "benchmarks.peers.urls"
USERSESSIONS_TRACK_ACTIVITY = True  # as ours does: when somebody was last seen
SILENCED_SYSTEM_CHECKS = ["account.W001", "urls.W005", "urls.W002"]
SITE_ID = 1
