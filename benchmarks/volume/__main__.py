"""`python -m benchmarks.volume` fills the database that `sessionadmin` would use."""

import os
import sys
from pathlib import Path

import django
import environ

environ.Env.read_env(str(Path.cwd() / ".env"), overwrite=False)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sessionadmin.settings.production")
django.setup()

from benchmarks.volume.command import Command  # noqa: E402 - after the set-up

if __name__ == "__main__":
    Command().run_from_argv(["python -m", "benchmarks.volume", *sys.argv[1:]])
