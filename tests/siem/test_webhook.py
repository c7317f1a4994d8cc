"""Webhooks are signed so that others can check it, and go only where they may."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from sessions_app.sealing import seal
from sessions_app.siem import webhook
from sessions_app.siem.addresses import checked_addresses, refusal
from sessions_app.siem.errors import DeliveryError
from sessions_app.siem.models import DeliveryState, Destination, Format, Transport
from tests.support.certificates import authority
from tests.support.entries import make_entry
from tests.support.siem import SECRET, deliver, make_delivery, make_destination
from tests.support.webhook_receiver import Handler, WebhookReceiver, success, webhook_receiver

OTHER_SECRET = "whsec_" + "b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXI="


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[WebhookReceiver]:
    with webhook_receiver(tmp_path) as running:
        yield running


def to(receiver: WebhookReceiver, **values: Any) -> Destination:
    defaults = {
        "transport": Transport.WEBHOOK,
        "format": Format.JSON,
        "host": "",
        "url": receiver.url,
        "allows_private": True,
        "authorities": authority().pem,
        "secret": seal(SECRET.encode()),
    }
    return make_destination(**{**defaults, **values})


@pytest.mark.django_db
def test_each_entry_is_a_request_that_the_standard_library_of_webhooks_accepts(receiver: WebhookReceiver) -> None:
    first = make_entry("one\n}", details={"x": "y" * 3000}).pk
    make_entry("two")
    state = deliver(to(receiver, entry=first))
    assert state.last_error == ""
    assert state.confirmed == state.cursor
    assert [each.headers["webhook-id"] for each in receiver.requests[:2]] == [f"entry-{first}", f"entry-{first + 1}"]
    for request in receiver.requests:
        Webhook(SECRET).verify(request.body, request.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(request.body + b" ", request.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(OTHER_SECRET).verify(request.body, request.headers)
    data = json.loads(receiver.requests[0].body)
    assert (data["type"], data["data"]["entry_id"], data["data"]["text"]) == ("login.succeeded", first, "one\n}")


@pytest.mark.django_db
def test_during_a_change_of_the_secret_both_sign(receiver: WebhookReceiver) -> None:
    deliver(to(receiver, former_secret=seal(OTHER_SECRET.encode())))
    for request in receiver.requests:
        Webhook(SECRET).verify(request.body, request.headers)
        Webhook(OTHER_SECRET).verify(request.body, request.headers)


@pytest.mark.django_db
def test_only_an_answer_of_success_moves_the_cursor(receiver: WebhookReceiver) -> None:
    first = make_entry().pk
    refused: list[str] = []

    def refuse_the_second(handler: Handler) -> None:
        if handler.headers["webhook-id"] == f"entry-{first + 1}" and not refused:
            refused.append("once")
            handler.send_response(503)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        else:
            success(handler)

    receiver.answer = refuse_the_second
    destination = to(receiver, entry=first)
    make_entry()
    state = deliver(destination)
    assert "answered 503" in state.last_error
    assert state.cursor < first + 1
    DeliveryState.objects.update(next_attempt_at=None)
    assert deliver(destination).cursor > first + 1
    ids = [each.headers["webhook-id"] for each in receiver.requests]
    assert list(dict.fromkeys(ids)) == [f"entry-{number}" for number in range(first, first + 3)]


def redirect(handler: Handler) -> None:
    handler.send_response(307)
    handler.send_header("Location", "https://localhost/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65_536)


def dripping(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X: y\r\n")
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("answer", "error"),
    [(redirect, "answered 307; redirects are not followed"), (dripping, "did not answer within")],
)
def test_redirects_and_endless_answers_are_failures(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch, answer: Any, error: str
) -> None:
    monkeypatch.setattr(webhook, "SECONDS", 0.5)
    receiver.answer = answer
    state = deliver(to(receiver))
    assert error in state.last_error
    assert state.cursor == 0
    assert len(receiver.requests) == 1


@pytest.mark.django_db
def test_of_a_huge_answer_only_the_beginning_is_read(receiver: WebhookReceiver) -> None:
    receiver.answer = endless
    assert deliver(to(receiver, entry=make_entry().pk)).last_error == ""


@pytest.mark.django_db
def test_a_server_without_the_right_certificate_gets_nothing(receiver: WebhookReceiver) -> None:
    assert "certificate" in deliver(to(receiver, authorities=authority("Another authority").pem)).last_error
    wrong = to(receiver, name="By address", url=receiver.url.replace("localhost", "127.0.0.1"))
    assert "certificate" in deliver(wrong).last_error
    assert not receiver.requests


@pytest.mark.django_db
def test_this_machine_is_reached_only_where_the_settings_allow_it(receiver: WebhookReceiver) -> None:
    state = deliver(to(receiver, allows_private=False))
    assert "an address of a private network" in state.last_error
    assert not receiver.requests


@pytest.mark.django_db
def test_a_name_that_changes_after_the_check_gains_nothing(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [[("192.0.2.1", 1)], [("127.0.0.1", 1)]]  # first an address elsewhere, then this machine
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: str, *args: Any, **kwargs: Any) -> Any:
        if host != "localhost":
            return real(host, *args, **kwargs)
        asked.append(host)
        (address,) = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(webhook, "SECONDS", 0.3)
    destination, delivery = to(receiver), make_delivery()
    assert deliver(destination, delivery).last_error  # 192.0.2.1 is nowhere
    assert asked == ["localhost"]
    assert not receiver.requests


@pytest.mark.django_db
def test_an_address_that_does_not_answer_is_left_for_the_next_one_of_the_name(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "checked_addresses", lambda *args, **options: ["127.0.0.9", "127.0.0.1"])
    assert deliver(to(receiver)).last_error == ""
    assert receiver.requests


@pytest.mark.django_db
def test_a_receiver_that_is_not_there_is_said_to_be_not_reached(receiver: WebhookReceiver) -> None:
    state = deliver(to(receiver, url="https://localhost:1/hook"))
    assert state.last_error == "localhost cannot be reached: Connection refused."


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.0", "::1", "::", "fc00::1"),  # noqa: S104 - to be refused
        *("::ffff:10.1.2.3", "::ffff:127.0.0.1", "64:ff9b::10.1.2.3", "2002:0a01:0203::1", "::10.1.2.3"),
        *("169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1%eth0", "fd00:ec2::254"),
        *("224.0.0.1", "ff02::1", "255.255.255.255", "100.100.100.200", "198.18.0.1", "240.0.0.1", "2001:db8::1"),
        "2001:0:a01:203:0:0:f5fe:fdfc",
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert refusal(address, allows_private=False)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert refusal(address, allows_private=False) == ""


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        *(("10.1.2.3", True), ("127.0.0.1", True), ("::1", True), ("fc00::1", True), ("::ffff:10.1.2.3", True)),
        *(("169.254.169.254", False), ("fe80::1", False), ("::ffff:169.254.169.254", False), ("0.0.0.0", False)),  # noqa: S104
        *(("fd00:ec2::254", False), ("100.100.100.200", False), ("224.0.0.1", False)),
    ],
)
def test_the_setting_allows_private_addresses_but_never_those_with_credentials(address: str, is_allowed: bool) -> None:
    assert (refusal(address, allows_private=True) == "") is is_allowed


def test_a_name_that_is_not_known_is_said() -> None:
    with pytest.raises(DeliveryError, match="is not known"):
        checked_addresses("nowhere.invalid", 443, allows_private=False)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "QUJD" * 8, "whsec_QUJD", "whsec_" + "QUJD" * 30])
def test_bad_secrets_are_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match=r"whsec_ and 24 to 64 bytes") as problem:
        webhook.secret_bytes(secret)
    assert not secret or secret == "whsec_" or secret not in str(problem.value)
