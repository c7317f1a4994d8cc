"""`sessionadmin geoip_status [IP ...]` says which GeoIP database is in use, and what it knows of an address."""

from __future__ import annotations

from datetime import UTC, datetime

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sessions_app.logins import geolocation, networks
from sessions_app.logins.client_ip import parse_address

OLD_AFTER = 60  # days


class Command(BaseCommand):
    help = "Show the GeoIP database, its build date and age, and look addresses up. Exit code 1 when none is usable."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("addresses", nargs="*", metavar="IP", help="addresses to look up")

    def handle(self, *args: object, **options: object) -> None:
        addresses = options["addresses"]
        self._describe(geolocation.status())
        of_networks = networks.status()
        if of_networks.configured:
            self._describe(of_networks, "Networks: ")
        if of_networks.refused_reason:
            self.stdout.write(self.style.WARNING(f"It is refused: {of_networks.refused_reason}"))
        if isinstance(addresses, list) and addresses:
            self.stdout.write("")
            for address in addresses:
                self.stdout.write(f"{address}: {describe(address)}")
        status = geolocation.status()  # again: a look-up may have hit a damaged spot
        if not status.configured:
            raise CommandError("No GeoIP database. Run: sessionadmin geoip_update, or set GEOIP_DATABASE to a file")
        if status.refused_reason:
            raise CommandError(
                f"{status.path} is refused: {status.refused_reason}. A running server goes on with the database it has "
                "loaded; one that starts now has none. Get a good file with: sessionadmin geoip_update"
            )

    def _describe(self, status: geolocation.GeoipStatus, label: str = "Database: ") -> None:
        self.stdout.write(f"{label} {status.path or 'none'}")
        if status.built_at is None:
            return
        age = (datetime.now(UTC) - status.built_at).days
        self.stdout.write(f"Type:      {status.database_type}")
        self.stdout.write(f"Built:     {status.built_at:%Y-%m-%d %H:%M} UTC, {age} {'day' if age == 1 else 'days'} ago")
        if age > OLD_AFTER:
            self.stdout.write(self.style.WARNING("It is old. Update it with: sessionadmin geoip_update"))


def describe(address: str) -> str:
    """Return what is known of `address`, in one line."""
    if parse_address(address) is None:
        return "not an IP address"
    found = geolocation.locate(address)
    parts = [found.label]
    if found.region:
        parts.append(f"region {found.region}")
    if found.country_code:
        parts.append(found.country_code)
    if found.latitude is not None and found.longitude is not None:
        within = f" within {found.accuracy_km} km" if found.accuracy_km is not None else ""
        parts.append(f"{found.latitude:.4f}, {found.longitude:.4f}{within}")
    network = networks.network_of(address)
    if network.number is not None:
        parts.append(f"{network.name} (AS{network.number})".strip())
    return "; ".join(parts)
