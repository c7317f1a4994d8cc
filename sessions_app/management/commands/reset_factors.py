"""`sessionadmin reset_factors` removes the second factors of a person, also of the last administrator."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from sessions_app.factors.flows.reset import reset_factors


class Command(BaseCommand):
    help = "Remove all second factors of a person, passkeys too, and end their logins."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", metavar="NAME", help="name of the account")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        """Reset the factors. Raise CommandError for an unknown name."""
        person = get_user_model().objects.filter(username=username).first()
        if person is None:
            raise CommandError(f"There is no user “{username}”. Nothing was changed.")
        done = reset_factors(None, person)
        self.stdout.write(f"Removed {done.factors} second factor(s) of {username}, ended {done.logins} login(s).")
        if not done.is_mailed:
            self.stdout.write(f"{username} has no e-mail address; tell them yourself.")
