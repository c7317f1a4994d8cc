"""The `sessionadmin` command, the same as manage.py.

`sessionadmin ssh` is for everybody's own machine and needs neither settings nor database (ssh_client.py). Every other
command reads `.env` at the top of the repository (or of the working directory of an installed copy), then hands over to
Django. The environment wins over the file. Without DJANGO_SETTINGS_MODULE the production settings are used, so that a
forgotten variable is refused with an error.
"""

import os
import sys
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

from sessionadmin import ssh_client
from sessionadmin.refusals import refusal


def main() -> None:
    """Run one command from the arguments of this process."""
    if sys.argv[1:2] == ["ssh"]:
        sys.exit(ssh_client.main(sys.argv[2:]))
    environ.Env.read_env(str(Path.cwd() / ".env"), overwrite=False)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sessionadmin.settings.production")
    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, OperationalError) as error:
        if not (why := refusal(error)):
            raise
        sys.exit(why)
