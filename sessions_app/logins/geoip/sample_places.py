"""The places of the sample data: real cities with addresses reserved for documentation (RFC 5737, RFC 3849).

`build_sample_geoip` writes a GeoIP file of them, and `load_sample` takes addresses from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

# An address outside of the networks below, which no database knows, so that "Unknown" is shown.
UNKNOWN_ADDRESS = "203.0.113.250"


@dataclass(frozen=True)
class SamplePlace:
    """One city, and the documentation networks that stand for it. `radius_km` is its stated accuracy."""

    city: str
    region: str
    country: str
    country_code: str
    latitude: float
    longitude: float
    radius_km: int
    networks: tuple[str, ...]
    asn: int  # reserved for documentation (RFC 5398)

    @property
    def network_name(self) -> str:
        """Return the made-up provider of the place."""
        return f"Example Net {self.city}"

    def address(self, number: int) -> str:
        """Return an address of the first IPv4 network, by a number from 0 that wraps around."""
        network = ip_network(self.networks[0])
        return str(network[number % network.num_addresses])

    def address6(self, number: int) -> str:
        """Return an IPv6 address of this place, by a number from 0."""
        return str(ip_network(self.networks[-1])[number + 1])


_CITIES: tuple[tuple[str, str, str, str, float, float, int], ...] = (
    ("Bern", "Canton of Bern", "Switzerland", "CH", 46.948, 7.4474, 10),
    ("Berlin", "State of Berlin", "Germany", "DE", 52.5244, 13.4105, 20),
    ("London", "England", "United Kingdom", "GB", 51.5085, -0.1257, 20),
    ("Reykjavík", "Capital Region", "Iceland", "IS", 64.1355, -21.8954, 50),
    ("New York", "New York", "United States", "US", 40.7143, -74.006, 20),
    ("San Francisco", "California", "United States", "US", 37.7749, -122.4194, 20),
    ("Toronto", "Ontario", "Canada", "CA", 43.7001, -79.4163, 20),
    ("Mexico City", "Mexico City", "Mexico", "MX", 19.4285, -99.1277, 50),
    ("São Paulo", "São Paulo", "Brazil", "BR", -23.5475, -46.6361, 50),
    ("Buenos Aires", "Buenos Aires F.D.", "Argentina", "AR", -34.6132, -58.3772, 50),
    ("Lagos", "Lagos", "Nigeria", "NG", 6.4541, 3.3947, 100),
    ("Cape Town", "Western Cape", "South Africa", "ZA", -33.9258, 18.4232, 50),
    ("Bengaluru", "Karnataka", "India", "IN", 12.9719, 77.5937, 50),
    ("Singapore", "", "Singapore", "SG", 1.2897, 103.8501, 10),
    ("Tokyo", "Tokyo", "Japan", "JP", 35.6895, 139.6917, 20),
    ("Sydney", "New South Wales", "Australia", "AU", -33.8679, 151.2073, 20),
)


def _networks(index: int) -> tuple[str, ...]:
    """Return the sixteenth part number `index` of each documentation range.

    The last part of 203.0.113.0/24 stays unused.
    """
    blocks = ["192.0.2", "198.51.100", "203.0.113"] if index < 15 else ["192.0.2", "198.51.100"]
    return (*(f"{block}.{16 * index}/28" for block in blocks), f"2001:db8:{index:x}000::/36")


SAMPLE_PLACES: tuple[SamplePlace, ...] = tuple(
    SamplePlace(*city, networks=_networks(index), asn=64496 + index) for index, city in enumerate(_CITIES)
)
