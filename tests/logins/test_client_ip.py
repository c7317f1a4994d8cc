"""The address shown for a login is the browser's, and nobody can make the console show another one."""

import random

import pytest

from sessions_app.logins.client_ip import (
    ClientAddress,
    Source,
    client_address,
    client_ip,
    invalid_networks,
    networks_of_everybody,
)

PROXY = "10.0.0.5"
TRUSTED = ["10.0.0.0/8", "fd00::/8"]


def seen(peer: str, forwarded: str | None = None, trusted: list[str] | None = None) -> str:
    meta = {"REMOTE_ADDR": peer}
    if forwarded is not None:
        meta["HTTP_X_FORWARDED_FOR"] = forwarded
    return client_ip(meta, TRUSTED if trusted is None else trusted)


def test_without_a_proxy_the_peer_is_the_client() -> None:
    assert seen("203.0.113.9") == "203.0.113.9"


def test_a_stranger_cannot_forge_the_header() -> None:
    assert seen("203.0.113.9", "198.51.100.1") == "203.0.113.9"


def test_nobody_is_trusted_unless_configured() -> None:
    assert seen(PROXY, "198.51.100.1", trusted=[]) == PROXY


def test_a_trusted_proxy_is_believed() -> None:
    assert seen(PROXY, "198.51.100.1") == "198.51.100.1"


def test_the_rightmost_untrusted_address_counts_whatever_the_client_wrote_before_it() -> None:
    assert seen(PROXY, "1.1.1.1, 127.0.0.1, 198.51.100.1, 10.9.9.9") == "198.51.100.1"


def test_a_chain_of_nothing_but_our_own_proxies_names_the_farthest() -> None:
    assert seen(PROXY, "10.1.1.1, 10.2.2.2") == "10.1.1.1"


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("198.51.100.1:4711", "198.51.100.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:0DB8:0:0::1", "2001:db8::1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("[::ffff:198.51.100.1]:80", "198.51.100.1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("  198.51.100.1\t", "198.51.100.1"),
    ],
)
def test_every_spelling_of_an_address_is_understood(entry: str, address: str) -> None:
    assert seen(PROXY, entry) == address
    assert seen(entry) == address


def test_a_mapped_peer_is_recognised_as_the_proxy_it_is() -> None:
    assert seen("::ffff:10.0.0.5", "198.51.100.1") == "198.51.100.1"


@pytest.mark.parametrize(
    "garbage", ["unknown", "_hidden", '""', "300.1.1.1", "<script>", "1.2.3.4.5", "::1::", "0x7f.1"]
)
def test_garbage_stops_the_walk_at_the_last_valid_hop(garbage: str) -> None:
    assert seen(PROXY, f"198.51.100.1, {garbage}") == PROXY
    assert seen(PROXY, f"198.51.100.1, {garbage}, 10.2.2.2") == "10.2.2.2"


@pytest.mark.parametrize("header", ["", ",", " , \t,"])
def test_an_empty_header_leaves_the_peer(header: str) -> None:
    assert seen(PROXY, header) == PROXY


@pytest.mark.parametrize(
    "header",
    [
        "198.51.100.7,",
        "198.51.100.7, ",
        "198.51.100.7,\t,",
        ",198.51.100.7",
        "198.51.100.7,, 10.2.2.2",
        ",198.51.100.7, ,",
    ],
)
def test_an_empty_element_is_passed_over(header: str) -> None:
    assert seen(PROXY, header) == "198.51.100.7"
    assert seen(PROXY, f"203.0.113.1, {header}") == "198.51.100.7"


def test_an_empty_element_does_not_lead_past_what_is_no_address() -> None:
    assert seen(PROXY, "198.51.100.7, unknown,") == PROXY


@pytest.mark.parametrize("peer", ["", "unix:", "/run/console.sock"])
def test_a_unix_socket_is_unknown_unless_it_is_trusted(peer: str) -> None:
    assert seen(peer, "198.51.100.1") == ""
    assert seen(peer, "198.51.100.1", trusted=["unix"]) == "198.51.100.1"
    assert seen(peer, trusted=["unix"]) == ""
    assert seen(peer, "nonsense", trusted=["unix"]) == ""


def test_trusting_the_unix_socket_trusts_no_network() -> None:
    assert seen(PROXY, "198.51.100.1", trusted=["unix"]) == PROXY


def test_a_missing_peer_is_unknown() -> None:
    assert client_ip({}, TRUSTED) == ""


def test_ipv6_proxies_are_trusted_by_their_network() -> None:
    assert seen("fd00::7", "2001:db8::9") == "2001:db8::9"
    assert seen("2001:db8::7", "2001:db8::9") == "2001:db8::7"


def test_a_network_that_is_none_trusts_nobody_and_is_reported() -> None:
    assert seen(PROXY, "198.51.100.1", trusted=["10.0.0.0/33", "proxy.example.com"]) == PROXY
    assert invalid_networks(["10.0.0.0/8", "10.0.0.7/8", "unix", "proxy.example.com", ""]) == ["proxy.example.com", ""]


def test_trusting_everybody_is_reported() -> None:
    assert networks_of_everybody(["10.0.0.0/8", "0.0.0.0/0", "::/0"]) == ["0.0.0.0/0", "::/0"]


def test_no_header_whatsoever_raises() -> None:
    chance = random.Random(4)  # noqa: S311 - the same nonsense on every run, not a secret
    alphabet = "0123456789abcdef.:[]%, \"'\x00\xff\n-;/"
    for _ in range(3000):
        text = "".join(chance.choices(alphabet, k=chance.randrange(60)))
        assert isinstance(seen(PROXY, text), str)
        assert isinstance(seen(text, text), str)


def test_a_very_long_header_is_read_no_further_than_needed() -> None:
    assert seen(PROXY, "1.1.1.1," * 20_000 + "198.51.100.1") == "198.51.100.1"


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", "198.51.100.1", ClientAddress("203.0.113.9", Source.PEER)),
        (PROXY, "198.51.100.1", ClientAddress("198.51.100.1", Source.HEADER, (PROXY,))),
        (PROXY, "1.1.1.1, 198.51.100.1, 10.2.2.2", ClientAddress("198.51.100.1", Source.HEADER, (PROXY, "10.2.2.2"))),
        (PROXY, "10.1.1.1, 10.2.2.2", ClientAddress("10.1.1.1", Source.HEADER, (PROXY, "10.2.2.2"))),
        (PROXY, "", ClientAddress(PROXY, Source.PROXY, (PROXY,))),
        (PROXY, "nonsense", ClientAddress(PROXY, Source.PROXY, (PROXY,))),
        ("", "198.51.100.1", ClientAddress("198.51.100.1", Source.HEADER, ("unix",))),
        ("", "", ClientAddress("", Source.UNKNOWN, ("unix",))),
    ],
)
def test_it_is_known_how_the_address_was_found(peer: str, forwarded: str, found: ClientAddress) -> None:
    meta = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}
    assert client_address(meta, [*TRUSTED, "unix"]) == found
