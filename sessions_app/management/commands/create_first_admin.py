"""`sessionadmin create_first_admin` makes the account with which somebody can log in to an empty console."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from sessions_app.people.models import InitialPassword
from sessions_app.roles import ADMINISTER, ADMINISTRATORS


class Command(BaseCommand):
    help = "Create the first administrator with a random password, printed once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", default="admin", help="name of the account (default: %(default)s)")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        """Create the administrator. Raises CommandError when there is one already, or a user of this name."""
        users = get_user_model()
        password = secrets.token_urlsafe(15)
        user = users(username=username, is_staff=True)
        user.set_password(password)  # before the transaction, because computing the hash takes long
        with transaction.atomic():
            # Locked, so that of two runs at once the second sees the administrator of the first.
            group = Group.objects.select_for_update().filter(name=ADMINISTRATORS).first()
            if group is None:
                raise CommandError(f"There is no group {ADMINISTRATORS}. Run `sessionadmin migrate`, which makes it.")
            if users.objects.with_perm(ADMINISTER).exists():
                raise CommandError("There is an administrator already. Nothing was changed. Ask them for an account.")
            if users.objects.filter(username=username).exists():
                raise CommandError(f"There is a user “{username}” already. Nothing was changed. Choose a --username.")
            try:
                user.clean_fields()
            except ValidationError as error:
                raise CommandError(f"“{username}” cannot be a user name: {' '.join(error.messages)}") from error
            user.save()
            user.groups.add(group)
            InitialPassword.objects.create(user_id=user.pk)
        self.stdout.write(f"Administrator: {username}")
        self.stdout.write(f"Password:      {password}")
        self.stdout.write("It is shown this once only, good for 7 days, and has to be changed at the first login.")
