"""Administrators add, test, pause and change destinations; no secret is shown or logged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity.models import LogEntry, Outcome
from activity.verbs import Verb
from sessions_app.sealing import unseal
from sessions_app.siem.models import DeliveryState, Destination, Transport
from tests.support.certificates import authority
from tests.support.confirming import let_time_pass
from tests.support.entries import ago, make_entry
from tests.support.pages import ClientResponse
from tests.support.siem import SECRET, deliver, make_destination
from tests.support.webhook_receiver import WebhookReceiver, webhook_receiver

pytestmark = pytest.mark.django_db
OTHER_SECRET = "whsec_" + "b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXI="
COMMON = {
    "name": "Splunk",
    "minimum_level": "10",
    "largest": "8192",
    "silence": "15m",
    "heartbeat": "",
    "start": "now",
    "has_checkpoints": "on",
}
TLS = COMMON | {"transport": "tls", "format": "rfc5424", "host": "siem.example.com", "port": "6514"}
WEBHOOK = COMMON | {
    "transport": "webhook",
    "format": "json",
    "url": "https://siem.example.com/in",
    "new_secret": SECRET,
}


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[WebhookReceiver]:
    with webhook_receiver(tmp_path) as running:
        yield running


def log_text() -> str:
    entries = LogEntry.objects.values_list("message", "details")
    return json.dumps([[message, details] for message, details in entries])


def test_a_destination_over_tls_with_a_client_certificate(boss: Client) -> None:
    pair = authority().pair("console.test")
    sent = TLS | {"authorities": authority().pem, "client_certificate": pair.certificate, "new_client_key": pair.key}
    answer = boss.post("/siem/add/", sent, follow=True)
    made = Destination.objects.get()
    assert answer.redirect_chain[-1][0] == f"/siem/{made.pk}/"
    assert unseal(made.client_key).decode() == pair.key.strip()
    assert made.state.cursor == LogEntry.objects.latest("pk").pk
    page = boss.get(f"/siem/{made.pk}/change/").content.decode()
    for text in (page, log_text()):
        assert "PRIVATE KEY" not in text
    assert "(sealed)" in log_text()
    boss.post(f"/siem/{made.pk}/change/", {**sent, "new_client_key": "", "name": "Other"})
    made.refresh_from_db()
    assert (made.name, unseal(made.client_key).decode()) == ("Other", pair.key.strip())
    boss.post(f"/siem/{made.pk}/change/", {**sent, "new_client_key": "", "client_certificate": ""})
    made.refresh_from_db()
    assert made.client_key == ""


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"host": ""}, "host", "required"),
        ({"host": "a b"}, "host", "Enter a host name or an address"),
        ({"port": "70000"}, "port", "less than or equal to 65535"),
        ({"authorities": "no PEM"}, "authorities", "not certificates in PEM"),
        ({"client_certificate": "no PEM", "new_client_key": "x"}, "client_certificate", "do not belong together"),
        ({"new_client_key": "x"}, "client_certificate", "Enter the certificate that belongs to the key"),
        ({"largest": "100"}, "largest", "greater than or equal to 2048"),
        ({"transport": "udp", "largest": "100000"}, "largest", "at most 65,507 bytes"),
        ({"silence": "10s"}, "silence", "at least one minute"),
        ({"start": "entry"}, "start_entry", "Say where to begin"),
        ({"start": "date", "start_date": "2999-01-01T00:00"}, "start_date", "a time that is over"),
        ({"groups": ["nonsense"]}, "groups", "nonsense is not one of the available choices"),
    ],
)
def test_what_cannot_be_used_is_said_at_its_field(boss: Client, values: dict[str, str], field: str, said: str) -> None:
    answer = boss.post("/siem/add/", TLS | values)
    assert answer.status_code == 422
    form = answer.context["form"]
    assert said in str(form.errors[field]), form.errors
    assert not Destination.objects.exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"url": "http://siem.example.com/"}, "url"),
        ({"url": "https://me:secret@siem.example.com/"}, "url"),
        ({"url": ""}, "url"),
        ({"new_secret": ""}, "new_secret"),
        ({"new_secret": "hunter2"}, "new_secret"),
        ({"format": "cef"}, "format"),
    ],
)
def test_a_webhook_needs_a_safe_address_and_a_secret(boss: Client, values: dict[str, str], field: str) -> None:
    answer = boss.post("/siem/add/", WEBHOOK | values)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field] or field in answer.context["form"].errors
    assert "hunter2" not in answer.content.decode()


def test_the_secret_of_a_webhook_is_changed_with_an_overlap(boss: Client) -> None:
    boss.post("/siem/add/", WEBHOOK)
    made = Destination.objects.get()
    assert made.secrets() == [SECRET]
    change = f"/siem/{made.pk}/change/"
    assert "forgets_former_secret" not in boss.get(change).content.decode()
    boss.post(change, WEBHOOK | {"new_secret": OTHER_SECRET})
    made.refresh_from_db()
    assert made.secrets() == [OTHER_SECRET, SECRET]
    assert "forgets_former_secret" in boss.get(change).content.decode()
    boss.post(change, WEBHOOK | {"new_secret": "", "forgets_former_secret": "on"})
    made.refresh_from_db()
    assert made.secrets() == [OTHER_SECRET]
    for secret in (SECRET, OTHER_SECRET):
        assert secret not in log_text()
    boss.post(change, TLS)
    made.refresh_from_db()
    assert (made.secret, made.former_secret, made.url) == ("", "", "")


def test_the_form_asks_for_what_the_delivery_needs(boss: Client) -> None:
    shown: dict[str, set[str]] = {}
    for transport in Transport.values:
        answer = boss.post("/siem/add/", {"transport": transport, "start": "now", "_show": "1"})
        shown[transport] = set(answer.context["form"].fields)
    assert {"host", "port", "authorities", "client_certificate", "server_name"} <= shown["tls"]
    assert not {"authorities", "client_certificate", "new_secret", "url"} & shown["tcp"]
    assert not {"authorities", "server_name", "url"} & shown["udp"]
    assert {"url", "new_secret", "allows_private", "authorities"} <= shown["webhook"]
    assert not {"host", "port"} & shown["webhook"]


def test_a_new_destination_begins_at_an_entry(boss: Client) -> None:
    entry = make_entry().pk
    boss.post("/siem/add/", TLS | {"start": "entry", "start_entry": str(entry)})
    assert Destination.objects.get().state.cursor == entry - 1


def test_the_test_button_sends_a_marked_message_and_says_what_happened(boss: Client, receiver: WebhookReceiver) -> None:
    boss.post("/siem/add/", WEBHOOK | {"url": receiver.url, "allows_private": "on", "authorities": authority().pem})
    made = Destination.objects.get()
    answer = boss.post(f"/siem/{made.pk}/test/", follow=True)
    (request,) = receiver.requests
    data = json.loads(request.body)["data"]
    assert (data["kind"], data["verb"], data["actor"]) == ("test", "siem.test", "admin")
    assert f"The test message {data['details']['token']} was sent. The receiver answered" in said(answer)
    entry = LogEntry.objects.get(verb=Verb.SIEM_TESTED)
    assert (entry.outcome, entry.actor_name) == (Outcome.SUCCESS, "admin")


def test_a_test_that_fails_says_why(boss: Client) -> None:
    made = make_destination(port=1)
    answer = boss.post(f"/siem/{made.pk}/test/", follow=True)
    assert "The test message could not be delivered: 127.0.0.1:1 cannot be reached" in said(answer)
    assert LogEntry.objects.get(verb=Verb.SIEM_TESTED).outcome == Outcome.FAILURE


def said(answer: ClientResponse) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def test_pause_resume_and_send_again(boss: Client, admin: User) -> None:
    made = make_destination(port=1)
    make_entry()
    boss.post(f"/siem/{made.pk}/pause/")
    assert not Destination.objects.get().is_active
    assert "Paused" in boss.get("/siem/").content.decode()
    boss.post(f"/siem/{made.pk}/resume/")
    assert Destination.objects.get().is_active
    DeliveryState.objects.update(cursor=9, confirmed=9, lease="worker")
    for entry in ("", "x", "0", "10", "9" * 30):
        assert boss.post(f"/siem/{made.pk}/send-again/", {"entry": entry}).status_code == 422
    assert boss.post(f"/siem/{made.pk}/send-again/", {"entry": "4"}).status_code == 302
    state = DeliveryState.objects.get()
    assert (state.cursor, state.confirmed, state.lease) == (3, 3, "")
    verbs = LogEntry.objects.filter(actor=admin, verb__startswith="siem.").order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == [Verb.SIEM_PAUSED, Verb.SIEM_RESUMED, Verb.SIEM_SENT_AGAIN]


def test_the_page_says_how_far_the_delivery_is(boss: Client) -> None:
    made = make_destination(port=1, name="<b>SIEM</b>", entry=make_entry("waits", at=ago(hours=2)).pk)
    DeliveryState.objects.update(began_at=ago(hours=2))
    deliver(made)
    page = boss.get(f"/siem/{made.pk}/").content.decode()
    assert "&lt;b&gt;SIEM&lt;/b&gt;" in page
    assert "entries wait" in page
    assert "127.0.0.1:1 cannot be reached: Connection refused" in page
    assert "Entries wait, and nothing was delivered" in page


def test_a_change_and_a_pause_need_a_fresh_factor_and_a_test_does_not(boss: Client) -> None:
    made = make_destination(port=1)
    let_time_pass()
    for path in (f"/siem/{made.pk}/pause/", f"/siem/{made.pk}/delete/", "/siem/add/"):
        boss.post(path, TLS)
    assert Destination.objects.get().is_active
    assert boss.post(f"/siem/{made.pk}/test/").status_code == 302


def test_a_destination_is_deleted_with_its_state(boss: Client) -> None:
    made = make_destination(port=1)
    assert boss.post(f"/siem/{made.pk}/delete/").status_code == 302
    assert not DeliveryState.objects.exists()
    assert LogEntry.objects.filter(verb=Verb.RECORD_DELETED, message__contains="SIEM destination").exists()


def test_the_list_costs_the_same_for_many(
    as_user: Callable[[User], Client], admin: User, django_assert_max_num_queries: Any
) -> None:
    client = as_user(admin)
    for number in range(12):
        make_destination(port=1, name=f"SIEM {number}")
    client.get("/siem/")
    with django_assert_max_num_queries(12):
        assert client.get("/siem/").content.decode().count("127.0.0.1:1") == 12
