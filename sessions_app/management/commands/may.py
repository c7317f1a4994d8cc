"""`sessionadmin may alice "Root shell" db-1` says whether a person may do an activity on a resource, and why."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from sessions_app.catalogue.models import Activity, Resource
from sessions_app.choosing import find_by_name
from sessions_app.errors import Refused
from sessions_app.privileged.try_it import may


class Command(BaseCommand):
    help = (
        "Say whether a person may do an activity on a resource, by which access policy, or what stands in the way. "
        "The exit code is 0 for yes, 1 for no, and 2 for a name that does not exist."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="name of a user or an application")
        parser.add_argument("activity", help="name of an activity, in quotation marks if it has blanks")
        parser.add_argument("resource", help="name of a resource")

    def handle(self, *args: Any, user: str, activity: str, resource: str, **options: Any) -> None:
        """Print the answer, and below it a line for each condition or for each policy that comes nearest."""
        try:
            answer = may(
                find_by_name(get_user_model()._default_manager.all(), "username", user),
                find_by_name(Activity.objects.all(), "name", activity),
                find_by_name(Resource.objects.all(), "name", resource),
            )
        except Refused as unknown:
            raise CommandError(unknown.message, returncode=2) from unknown
        self.stdout.write("\n".join([answer.sentence, *answer.lines]))
        if not answer.is_allowed:
            raise CommandError("The answer is no.")
