"""Looks up whose network an address belongs to, in the file that GEOIP_ASN_DATABASE names. Knows no requests."""

from __future__ import annotations

from django.conf import settings

from sessions_app.logins.client_ip import parse_address
from sessions_app.logins.geoip import asn_file
from sessions_app.logins.geoip.asn_file import AsnFile, Network
from sessions_app.logins.geoip.file import GeoipFileError
from sessions_app.logins.geolocation import GeoipStatus, WatchedDatabase, is_private

UNKNOWN = Network()

DATABASE: WatchedDatabase[AsnFile] = WatchedDatabase(
    lambda: str(settings.GEOIP_ASN_DATABASE or ""), asn_file.read_into_memory, "Networks"
)


def network_of(ip: str) -> Network:
    """Return the network of `ip`. Never raises: what is no public address or in no database is `UNKNOWN`."""
    address = parse_address(ip)
    if address is None or is_private(address):
        return UNKNOWN
    file = DATABASE.current()
    if file is None:
        return UNKNOWN
    try:
        return file.find(address) or UNKNOWN
    except GeoipFileError as error:
        DATABASE.report_damage(file, str(error))
        return UNKNOWN


def status() -> GeoipStatus:
    """Return the state of the database of networks of this process."""
    return DATABASE.status()
