"""The `sessionadmin` command, the same as manage.py.

Reads `.env` at the top of the repository (or of the working directory of an installed copy), then hands over to
Django. The environment wins over the file. Without DJANGO_SETTINGS_MODULE the production settings are used, so that
a forgotten variable is refused loudly instead of running in the open.
"""

import os
import sys
from pathlib import Path

import environ
from django.core.management import execute_from_command_line


def main() -> None:
    """Run one management command from the arguments of this process."""
    environ.Env.read_env(str(Path.cwd() / ".env"), overwrite=False)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sessionadmin.settings.production")
    execute_from_command_line(sys.argv)
