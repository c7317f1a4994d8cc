"""`sessionadmin login_rules alice` shows the login rules of a person; `--lift` lets the person in past them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from sessions_app.choosing import find_by_name
from sessions_app.errors import Refused
from sessions_app.login_rules.models import LoginRule
from sessions_app.login_rules.rules import in_words, rules_of

ANYWHERE, ALWAYS = "0.0.0.0/0\n::/0", "Mon-Sun 00:00-24:00"


class Command(BaseCommand):
    help = (
        "Show from where and when a person may log in. With --lift the person gets a rule of their own that allows "
        "every address at every hour, for the day on which a rule shuts out the last administrator."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="name of a user")
        parser.add_argument("--lift", action="store_true", help="let the person in from anywhere at any time")

    def handle(self, *args: Any, user: str, lift: bool, **options: Any) -> None:
        """Print the rules that count for the person, after the change if there is one."""
        try:
            person = find_by_name(get_user_model()._default_manager.filter(application=None), "username", user)
        except Refused as unknown:
            raise CommandError(unknown.message, returncode=2) from unknown
        if lift:
            rule = LoginRule.objects.filter(user=person).first() or LoginRule(user=person)
            rule.networks, rule.hours = ANYWHERE, ALWAYS
            rule.save()
        lines = in_words(rules_of(person.pk)) or ["No login rule counts."]
        self.stdout.write("\n".join([f"{person.get_username()}:", *(f"  {line}" for line in lines)]))
