"""`sessionadmin ca` manages the SSH user certificate authority that hosts trust (docs/ssh-ca.md)."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions_app.hosts.models import AuthorityState, CertificateAuthority
from sessions_app.hosts.ssh import ca
from sessions_app.sealing import SealingError

ACCOUNT = "sessionadmin"


class Command(BaseCommand):
    help = "Make, show and change the SSH user certificate authority. Its private key is never printed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("init", help="create the authority, unless there is one")
        show = verbs.add_parser("show", help="print what hosts need: public keys only")
        show.add_argument(
            "--account", default=ACCOUNT, help="account of SessionAdmin on the hosts (default: %(default)s)"
        )
        show.add_argument("--keys-only", action="store_true", help="print only the lines for TrustedUserCAKeys")
        rotate = verbs.add_parser("rotate", help="sign with the next key from now on")
        rotate.add_argument(
            "--prepare", action="store_true", help="only create the next key, so that hosts get it first"
        )
        rotate.add_argument(
            "--overlap-days",
            type=int,
            default=ca.OVERLAP.days,
            help="how long hosts go on accepting what the old key signed (default: %(default)s)",
        )

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            if verb == "init":
                ca.create()
                self.show(ACCOUNT)
            elif verb == "show":
                ca.active()
                self.keys() if options["keys_only"] else self.show(options["account"])
            else:
                self.rotate(prepare=options["prepare"], overlap_days=options["overlap_days"])
        except (ca.AuthorityError, SealingError) as error:
            raise CommandError(str(error)) from error

    def rotate(self, *, prepare: bool, overlap_days: int) -> None:
        """Prepare the next authority, or let it sign. Raises CommandError."""
        if not 0 <= overlap_days <= 3650:
            raise CommandError("--overlap-days is between 0 and 3650. Nothing was changed.")
        if prepare:
            ca.prepare()
            self.stdout.write("The next authority is prepared; it signs nothing yet. Give its key to the hosts, then")
            self.stdout.write("run: sessionadmin ca rotate\n\n")
        else:
            was_prepared = CertificateAuthority.objects.filter(state=AuthorityState.NEXT).exists()
            ca.rotate(dt.timedelta(days=overlap_days))
            self.stdout.write("The new authority signs from now on.\n\n")
            if not was_prepared:
                self.stderr.write(
                    "It was not prepared, so no host trusts it yet: hosts that know SessionAdmin by its certificate "
                    "refuse it until they have the new key."
                )
        self.show(ACCOUNT)

    def keys(self) -> None:
        """Print one public key a line."""
        for authority in ca.trusted():
            self.stdout.write(authority.public_key)

    def show(self, account: str) -> None:
        """Print each public key with its state, and where it goes on a host."""
        trusted = ca.trusted()
        for authority in trusted:
            until = f", trusted until {authority.trusted_until:%Y-%m-%d %H:%M} UTC" if authority.trusted_until else ""
            label = authority.get_state_display()
            self.stdout.write(f"{label}: {authority.fingerprint}, made {authority.created_at:%Y-%m-%d}{until}")
        self.stdout.write(f"\nFor ~{account}/.ssh/authorized_keys on a host (this account only; recommended):")
        for authority in trusted:
            self.stdout.write(f'restrict,pty,cert-authority,principals="{account}" {authority.public_key}')
        self.stdout.write(
            "\nOr for a file named by TrustedUserCAKeys in sshd_config (accounts named in a certificate):"
        )
        self.keys()
