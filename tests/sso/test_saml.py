"""Logins by a real SAML identity provider, and the answers of hostile ones, none of which logs anybody in."""

from __future__ import annotations

import base64
import copy
import datetime as dt
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client
from lxml import etree

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.logins.models import EndReason, LoginSession, Method
from sessions_app.sso import saml_keys, saml_messages, saml_metadata, saml_package
from sessions_app.sso.arrival import MOST_OF_STRANGERS
from sessions_app.sso.models import Identity, SamlKey, SamlMessage
from sessions_app.sso.providers import SamlProvider, providers
from sessions_app.sso.tokens import SKEW
from tests.support import builders
from tests.support.pages import ClientResponse, elements, text
from tests.support.saml_peer import BASE, SamlPeer, attributes, begin, come_back, sign_in

NAMES = {"saml": "urn:oasis:names:tc:SAML:2.0:assertion", "ds": "http://www.w3.org/2000/09/xmldsig#"}
NAMES["xenc"] = "http://www.w3.org/2001/04/xmlenc#"
NAMES["md"] = "urn:oasis:names:tc:SAML:2.0:metadata"
EMAIL = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"


def link(peer: SamlPeer, user: User, subject: str = "s-1") -> Identity:
    return Identity.objects.create(user=user, provider="saml", issuer=peer.issuer, subject=subject)


def is_logged_in(client: Client) -> bool:
    return client.get("/accounts/me/").status_code == 200


def refusal() -> str:
    """Return what the log says of the last login that was refused."""
    return LogEntry.objects.filter(verb=Verb.LOGIN_FAILED).latest("pk").message


def test_somebody_whose_account_is_linked_logs_in(saml_provider: SamlPeer, client: Client, alice: User) -> None:
    link(saml_provider, alice)
    response = sign_in(client, saml_provider, next_url="/settings/")
    assert (response.status_code, response["Location"]) == (302, "/settings/")
    login = LoginSession.objects.get()
    assert (login.user, login.signed_in_with, login.provider) == (alice, Method.PROVIDER, "Directory")
    assert login.by_provider.session_id == "s1"
    # Log out here, and the next request is a stranger's.
    client.post("/accounts/logout/")
    assert not is_logged_in(client)


def test_nobody_is_known_by_a_name_or_an_address(saml_provider: SamlPeer, client: Client, alice: User) -> None:
    said = attributes(uid="alice", mail=alice.email)
    response = sign_in(client, saml_provider, "alice", attributes=said)
    assert response.status_code == 403
    assert "No account here belongs to you yet" in response.content.decode()
    assert not is_logged_in(client)


def test_a_person_links_the_own_account(saml_provider: SamlPeer, client: Client, alice: User) -> None:
    client.force_login(alice)
    saml_provider.meet(client)
    page = client.post(f"{BASE}link/")
    address = page.context["address"]
    assert come_back(client, saml_provider.answer(address, "s-7")).status_code == 302
    identity = Identity.objects.get()
    assert (identity.user, identity.issuer, identity.subject) == (alice, saml_provider.issuer, "s-7")


def test_groups_of_an_attribute_give_roles_and_take_them(
    saml_provider: SamlPeer, client: Client, settings: Any
) -> None:
    Group.objects.create(name="Linux team")
    name = "http://schemas.example.com/claims/groups"
    settings.SSO_PROVIDERS = saml_provider.settings(
        create_accounts=True, groups_claim=name, groups={"admins": "Administrators", "linux": "Linux team"}
    )
    said = {name: ["admins", "linux"], "uid": "bjensen", "givenName": "Barbara", "mail": "b@example.com"}
    assert sign_in(client, saml_provider, attributes=attributes(**said)).status_code == 302
    user = User.objects.get(username="bjensen")
    assert (user.first_name, user.email, user.has_usable_password()) == ("Barbara", "b@example.com", False)
    assert set(user.groups.values_list("name", flat=True)) == {"Administrators", "Linux team"}
    assert sign_in(Client(), saml_provider, attributes=attributes(**{name: "linux"})).status_code == 302
    assert set(user.groups.values_list("name", flat=True)) == {"Linux team"}
    refused = sign_in(Client(), saml_provider, attributes=attributes(**{name: "others"}))
    assert (refused.status_code, user.groups.count()) == (403, 0)


def test_a_context_counts_as_the_second_factor_by_setting(
    saml_provider: SamlPeer, client: Client, alice: User, settings: Any
) -> None:
    settings.SSO_PROVIDERS = saml_provider.settings(second_factor_contexts=["urn:mfa"])
    link(saml_provider, alice)
    sign_in(client, saml_provider, factor="urn:mfa", since="600")
    login = LoginSession.objects.get()
    assert login.second_factor
    assert login.confirmed_at is not None
    assert dt.timedelta(minutes=9) < login.created_at - login.confirmed_at < dt.timedelta(minutes=11)


@pytest.mark.parametrize(("since", "status"), [("0", 302), ("600", 403)])
def test_a_person_confirms_at_the_provider_which_has_to_ask_anew(
    saml_provider: SamlPeer, client: Client, alice: User, since: str, status: int
) -> None:
    link(saml_provider, alice)
    sign_in(client, saml_provider, since="3600")
    LoginSession.objects.update(confirmed_at=None)
    page = client.post(f"{BASE}confirm/", {"next": "/settings/"})
    form = saml_provider.answer(page.context["address"], "s-1", since=since)
    assert come_back(client, form).status_code == status
    assert (LoginSession.objects.get().confirmed_at is not None) == (status == 302)


def test_an_answer_counts_once_and_in_the_browser_that_asked(
    saml_provider: SamlPeer, client: Client, alice: User
) -> None:
    link(saml_provider, alice)
    saml_provider.meet(client)
    form = saml_provider.answer(begin(client), "s-1")
    posted = Client().post(f"{BASE}acs/", form)  # a form of another site, without the cookie
    assert posted.status_code == 302
    other = Client()
    begin(other)
    assert other.get(posted["Location"]).status_code == 400
    assert not is_logged_in(other)
    assert come_back(client, form).status_code == 403
    assert refusal().endswith("the assertion was used before")
    assert not is_logged_in(client)
    assert SamlMessage.objects.count() == 1


# What a provider says that makes its answer good for nothing, and what the log says of it.
HOSTILE: dict[str, tuple[dict[str, str], str]] = {
    "signed by another key": ({"key": "other"}, "Signature validation failed"),
    "for another audience": ({"audience": "https://elsewhere.example.com"}, "not a valid audience"),
    "for nobody": ({"audience": ""}, "Audience"),
    "expired": ({"age": "900"}, "expired"),
    "not valid yet": ({"age": "-900"}, "not yet valid"),
    "of another issuer": ({"issuer": "https://evil.example.com"}, "Invalid issuer"),
    "for another recipient": ({"recipient": "https://evil.example.com/acs/"}, "SubjectConfirmation"),
    "bound to no request": ({"unbound": "1"}, "SubjectConfirmation"),
    "asked for by nobody": ({"irt": ""}, "idp_initiated is off"),
    "with an address as subject": ({"format": EMAIL}, "not persistent"),
}


@pytest.mark.parametrize(("said", "why"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_answer_is_refused(
    saml_provider: SamlPeer, client: Client, alice: User, said: dict[str, str], why: str
) -> None:
    link(saml_provider, alice)
    response = sign_in(client, saml_provider, **said)
    assert (response.status_code, "was not accepted" in response.content.decode()) == (403, True)
    assert why in refusal()
    assert not is_logged_in(client)


def test_an_answer_to_another_request_is_refused(saml_provider: SamlPeer, client: Client, alice: User) -> None:
    link(saml_provider, alice)
    assert sign_in(client, saml_provider, irt="ONELOGIN_of_somebody_else").status_code == 400
    assert not is_logged_in(client)


def without_signature(answer: Any) -> None:
    for signature in answer.findall(".//ds:Signature", NAMES):
        signature.getparent().remove(signature)


def another_subject(answer: Any) -> None:
    answer.find(".//saml:NameID", NAMES).text = "s-1"


def forged(answer: Any) -> Any:
    """Return a copy of the signed assertion, for the victim and without its signature."""
    copied = copy.deepcopy(answer.find("saml:Assertion", NAMES))
    copied.remove(copied.find("ds:Signature", NAMES))
    copied.set("ID", "_forged")
    copied.find(".//saml:NameID", NAMES).text = "s-1"
    return copied


def second_assertion_first(answer: Any) -> None:
    answer.find("saml:Assertion", NAMES).addprevious(forged(answer))


def second_assertion_last(answer: Any) -> None:
    answer.find("saml:Assertion", NAMES).addnext(forged(answer))


def signed_one_inside_the_forged(answer: Any) -> None:
    signed = answer.find("saml:Assertion", NAMES)
    copied = forged(answer)
    signed.addprevious(copied)
    copied.append(signed)


def signed_one_in_the_signature_of_the_forged(answer: Any) -> None:
    signed = answer.find("saml:Assertion", NAMES)
    copied = forged(answer)
    signature = signed.find("ds:Signature", NAMES)
    copied.insert(1, signature)
    answer.replace(signed, copied)
    holder = etree.SubElement(signature, f"{{{NAMES['ds']}}}Object")
    holder.append(signed)


def comment_in_the_subject(answer: Any) -> None:
    name = answer.find(".//saml:NameID", NAMES)
    name.text = "s-1"
    comment = etree.Comment("x")
    comment.tail = "-of-the-attacker"
    name.append(comment)


ATTACKS = (
    without_signature,
    another_subject,
    second_assertion_first,
    second_assertion_last,
    signed_one_inside_the_forged,
    signed_one_in_the_signature_of_the_forged,
)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_forged_answer_is_refused(
    saml_provider: SamlPeer, client: Client, alice: User, outsider: User, attack: Callable[[Any], None]
) -> None:
    link(saml_provider, alice)
    link(saml_provider, outsider, "attacker")
    response = bring(client, saml_provider, "attacker", attack)
    assert response.status_code == 403
    assert not is_logged_in(client)
    assert not LoginSession.objects.filter(user=alice).exists()


def test_a_comment_in_the_subject_makes_nobody_else_of_it(
    saml_provider: SamlPeer, client: Client, alice: User, outsider: User
) -> None:
    """Canonical XML drops comments, so the signature stays good: the whole text has to count (CVE-2017-11427)."""
    link(saml_provider, alice)
    link(saml_provider, outsider, "s-1-of-the-attacker")
    assert bring(client, saml_provider, "s-1-of-the-attacker", comment_in_the_subject).status_code == 302
    assert LoginSession.objects.get().user == outsider


def bring(client: Client, peer: SamlPeer, subject: str, change: Callable[[Any], None], **said: str) -> ClientResponse:
    """Log in at the provider, change its answer on the way, and bring it to the console."""
    peer.meet(client)
    form = peer.answer(begin(client), subject, **said)
    answer = etree.fromstring(base64.b64decode(form["SAMLResponse"]))
    change(answer)
    return come_back(client, {**form, "SAMLResponse": base64.b64encode(etree.tostring(answer)).decode()})


DOCTYPE = b'<!DOCTYPE r [<!ENTITY a "b">]><r>&a;</r>'


NO_ANSWERS = {"empty": b"", "text": b"x", "other": b"<r/>", "dtd": DOCTYPE, "open": b"<" * 1000}


@pytest.mark.parametrize("sent", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_what_is_no_answer_is_refused(saml_provider: SamlPeer, client: Client, sent: bytes) -> None:
    response = client.post(f"{BASE}acs/", {"SAMLResponse": base64.b64encode(sent).decode()})
    assert response.status_code == 403
    assert client.post(f"{BASE}acs/", {"SAMLResponse": "%%%"}).status_code == 403
    assert client.post(f"{BASE}acs/").status_code == 403


def test_refused_answers_fill_no_log(saml_provider: SamlPeer, client: Client) -> None:
    entries = LogEntry.objects.filter(verb=Verb.LOGIN_FAILED)
    for _ in range(25):
        client.post(f"{BASE}acs/", {"SAMLResponse": "x"})
    assert entries.count() == 1
    for number in range(MOST_OF_STRANGERS + 5):
        client.post(f"{BASE}acs/", {"SAMLResponse": "x"}, REMOTE_ADDR=f"198.51.100.{number}")
    assert entries.count() == MOST_OF_STRANGERS


def test_a_login_that_begins_at_the_provider_is_taken_by_setting(
    saml_provider: SamlPeer, client: Client, alice: User, settings: Any
) -> None:
    settings.SSO_PROVIDERS = saml_provider.settings(idp_initiated=True)
    link(saml_provider, alice)
    saml_provider.meet(client)
    form = saml_provider.answer(f"{saml_provider.address}/sso", "s-1")
    assert come_back(client, form).status_code == 302
    assert is_logged_in(client)
    assert come_back(Client(), form).status_code == 403  # once


def test_a_logout_at_the_provider_ends_the_login_here(saml_provider: SamlPeer, client: Client, alice: User) -> None:
    link(saml_provider, alice)
    sign_in(client, saml_provider)
    assert is_logged_in(client)
    elsewhere = saml_provider.logout_request("s-1", session="of another browser")
    assert Client().get(elsewhere).status_code == 302
    assert is_logged_in(client)
    there = saml_provider.logout_request("s-1")
    answer = Client().get(there)
    assert answer["Location"].startswith(f"{saml_provider.address}/slo?SAMLResponse=")
    assert not is_logged_in(client)
    assert LoginSession.objects.get().end_reason == EndReason.PROVIDER
    assert Client().get(there).status_code == 403  # once


@pytest.mark.parametrize("leave_out", [("Signature",), ("Signature", "SigAlg"), ("SAMLRequest",)])
def test_a_logout_without_a_signature_ends_nothing(
    saml_provider: SamlPeer, client: Client, alice: User, leave_out: tuple[str, ...]
) -> None:
    link(saml_provider, alice)
    sign_in(client, saml_provider)
    parts = urlsplit(saml_provider.logout_request("s-1"))
    kept = "&".join(each for each in parts.query.split("&") if each.partition("=")[0] not in leave_out)
    assert Client().get(f"{parts.path}?{kept}").status_code == 403
    assert is_logged_in(client)


def test_an_old_logout_request_ends_nothing(
    saml_provider: SamlPeer, client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that names no end of its own would be good for ever."""
    link(saml_provider, alice)
    sign_in(client, saml_provider)
    there = saml_provider.logout_request("s-1")
    monkeypatch.setattr(saml_messages, "OLDEST_LOGOUT", -SKEW - 1)
    assert Client().get(there).status_code == 403
    assert is_logged_in(client)


def test_a_message_that_unpacks_to_megabytes_is_refused_before(saml_provider: SamlPeer, client: Client) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = base64.b64encode(packer.compress(b"<r>" + b" " * 4_000_000) + packer.flush()).decode()
    assert len(bomb) < 8_000
    for name in ("SAMLRequest", "SAMLResponse"):
        page = client.get(f"{BASE}slo/", {name: bomb, "SigAlg": "x", "Signature": "x"})
        assert page.status_code == 403


def test_the_provider_gets_a_signed_request(
    saml_provider: SamlPeer, client: Client, alice: User, settings: Any
) -> None:
    link(saml_provider, alice)
    saml_provider.meet(client)
    address = begin(client)
    assert "&Signature=" in address
    changed = address.replace("SAMLRequest=", "SAMLRequest=x", 1)
    assert requests.get(changed, params={"sub": "s-1"}, timeout=10).status_code == 500
    assert come_back(client, saml_provider.answer(address, "s-1")).status_code == 302
    # A provider that takes no signed ones gets none.
    settings.SSO_PROVIDERS = saml_provider.settings(sign_requests=False)
    assert "Signature" not in begin(Client())


def test_the_console_has_one_key_which_is_sealed(saml_provider: SamlPeer, client: Client) -> None:
    certificates = [etree.fromstring(client.get(f"{BASE}metadata/").content).findall(".//ds:X509Certificate", NAMES)]
    certificates.append(
        etree.fromstring(client.get(f"{BASE}metadata/").content).findall(".//ds:X509Certificate", NAMES)
    )
    assert len({one.text for found in certificates for one in found}) == 1
    described = etree.fromstring(client.get(f"{BASE}metadata/").content).findall(".//md:KeyDescriptor", NAMES)
    assert [one.get("use") for one in described] == ["signing"]
    row = SamlKey.objects.get()
    assert row.private_key.startswith("sealed1:")
    pair = saml_keys.key_pair()
    assert pair is not None
    assert "PRIVATE" in pair.private_key
    assert "PRIVATE" not in f"{pair!r} {row!r} {vars(row)}"


def test_without_a_key_requests_are_not_signed_and_a_check_says_so(
    saml_provider: SamlPeer, client: Client, alice: User, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ENCRYPTION_KEYS = []
    link(saml_provider, alice)
    assert sign_in(client, saml_provider).status_code == 302
    assert "Signature" not in begin(Client())
    call_command("check")
    assert "sessions_app.W053" in capsys.readouterr().err


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[tuple[Path, threading.Event]]:
    """Return a named pipe, and an event that is set once somebody reads it."""
    path, was_read = tmp_path / "secret", threading.Event()
    os.mkfifo(path)

    def wait_for_reader() -> None:
        with path.open("wb"):  # opens when a reader does
            was_read.set()

    waiting = threading.Thread(target=wait_for_reader)
    waiting.start()
    yield path, was_read
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    waiting.join(10)


def data_in_a_file(path: Path) -> str:
    """Return encrypted data that are in a file, with the old RSA as the method of the data themselves."""
    return (
        f'<xenc:EncryptedData xmlns:xenc="{NAMES["xenc"]}" Type="{NAMES["xenc"]}Element">'
        f'<xenc:EncryptionMethod Algorithm="{NAMES["xenc"]}rsa-1_5"/>'
        f'<ds:KeyInfo xmlns:ds="{NAMES["ds"]}"/>'
        f'<xenc:CipherData><xenc:CipherReference URI="file://{path}"/></xenc:CipherData></xenc:EncryptedData>'
    )


def assertion_in_a_file(answer: Any, path: Path) -> None:
    holder = etree.Element(f"{{{NAMES['saml']}}}EncryptedAssertion")
    holder.append(etree.fromstring(data_in_a_file(path)))
    answer.replace(answer.find("saml:Assertion", NAMES), holder)


def subject_in_a_file(answer: Any, path: Path) -> None:
    name = answer.find(".//saml:NameID", NAMES)
    holder = etree.Element(f"{{{NAMES['saml']}}}EncryptedID")
    holder.append(etree.fromstring(data_in_a_file(path)))
    name.getparent().replace(name, holder)


def empty_encrypted_attribute(answer: Any, path: Path) -> None:
    etree.SubElement(answer.find("saml:Assertion", NAMES), f"{{{NAMES['saml']}}}EncryptedAttribute")


def manifest_of_a_file(answer: Any, path: Path) -> None:
    signature = answer.find(".//ds:Signature", NAMES)
    manifest = etree.SubElement(etree.SubElement(signature, f"{{{NAMES['ds']}}}Object"), f"{{{NAMES['ds']}}}Manifest")
    reference = copy.deepcopy(signature.find(".//ds:Reference", NAMES))
    reference.set("URI", f"file://{path}")
    reference.remove(reference.find("ds:Transforms", NAMES))
    manifest.append(reference)


def second_reference_to_a_file(answer: Any, path: Path) -> None:
    reference = answer.find(".//ds:Reference", NAMES)
    copied = copy.deepcopy(reference)
    copied.set("URI", f"file://{path}")
    copied.remove(copied.find("ds:Transforms", NAMES))
    reference.addnext(copied)


def other_transform(answer: Any, path: Path) -> None:
    answer.findall(".//ds:Transform", NAMES)[-1].set("Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116")


REACHES_FOR_A_FILE: dict[Callable[[Any, Path], None], tuple[int, str]] = {
    assertion_in_a_file: (400, "switch encryption off"),
    subject_in_a_file: (400, "switch encryption off"),
    empty_encrypted_attribute: (400, "switch encryption off"),
    manifest_of_a_file: (403, "outside the message"),
    second_reference_to_a_file: (403, "outside the message"),
    other_transform: (403, "transforms it"),
}


@pytest.mark.parametrize("change", REACHES_FOR_A_FILE, ids=lambda change: change.__name__)
def test_no_answer_makes_the_console_read_a_file(
    saml_provider: SamlPeer,
    client: Client,
    alice: User,
    trap: tuple[Path, threading.Event],
    change: Callable[[Any, Path], None],
) -> None:
    """A stranger brings such an answer, so nothing it names may be opened before its signature is known to be good."""
    path, was_read = trap
    link(saml_provider, alice)
    response = bring(client, saml_provider, "s-1", lambda answer: change(answer, path))
    status, why = REACHES_FOR_A_FILE[change]
    assert (response.status_code, was_read.is_set(), is_logged_in(client)) == (status, False, False)
    assert why in refusal()
    if status == 400:
        assert "switch encryption off at the provider" in response.content.decode()


def signed_anew(peer: SamlPeer, address: str, change: Callable[[Any], None]) -> str:
    """Return a logout request of the provider after a change, signed with its key."""
    parts = urlsplit(address)
    query = dict(parse_qsl(parts.query))
    message = etree.fromstring(zlib.decompress(base64.b64decode(query["SAMLRequest"]), -zlib.MAX_WBITS))
    change(message)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(etree.tostring(message)) + packer.flush()
    said = urlencode({"SAMLRequest": base64.b64encode(packed).decode(), "SigAlg": query["SigAlg"]})
    key = serialization.load_pem_private_key(peer.key.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    signature = base64.b64encode(key.sign(said.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    return f"{parts.path}?{said}&{urlencode({'Signature': signature})}"


def test_a_logout_request_with_an_encrypted_name_is_refused_and_not_used_up(
    saml_provider: SamlPeer, client: Client, alice: User, trap: tuple[Path, threading.Event]
) -> None:
    path, was_read = trap
    link(saml_provider, alice)
    sign_in(client, saml_provider)
    there = saml_provider.logout_request("s-1")
    refused = Client().get(signed_anew(saml_provider, there, lambda message: subject_in_a_file(message, path)))
    assert (refused.status_code, was_read.is_set()) == (400, False)
    assert "switch encryption off at the provider" in refused.content.decode()
    assert refusal().startswith("A logout by Directory was refused: it is encrypted")
    assert is_logged_in(client)
    # The same request counts once it can be read: its id was not noted.
    assert Client().get(signed_anew(saml_provider, there, lambda message: None)).status_code == 302
    assert not is_logged_in(client)


def test_a_logout_request_with_a_time_that_cannot_be_read_is_refused_and_not_used_up(
    saml_provider: SamlPeer, client: Client, alice: User
) -> None:
    """The schema lets years of five digits through."""
    link(saml_provider, alice)
    sign_in(client, saml_provider)
    used = SamlMessage.objects.count()
    there = saml_provider.logout_request("s-1")
    odd = signed_anew(saml_provider, there, lambda message: message.set("IssueInstant", "12026-01-01T00:00:00Z"))
    assert Client().get(odd).status_code == 403
    assert (SamlMessage.objects.count(), is_logged_in(client)) == (used, True)


@pytest.mark.parametrize("name", ["SAMLRequest", "SAMLResponse"])
def test_an_encrypted_logout_message_is_refused_also_if_it_is_not_compressed(
    saml_provider: SamlPeer, client: Client, trap: tuple[Path, threading.Event], name: str
) -> None:
    path, was_read = trap
    sent = base64.b64encode(f"<r>{data_in_a_file(path)}</r>".encode()).decode()
    assert (client.get(f"{BASE}slo/", {name: sent}).status_code, was_read.is_set()) == (400, False)


def test_a_key_that_cannot_be_opened_is_an_error_in_the_output(
    saml_provider: SamlPeer, client: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert "Signature" in begin(client)
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert "Signature" not in begin(client)
    assert "The key for SAML cannot be used, so requests are not signed" in caplog.text


def test_after_a_logout_here_the_provider_ends_its_session_too(
    saml_provider: SamlPeer, client: Client, alice: User
) -> None:
    link(saml_provider, alice)
    sign_in(client, saml_provider, session="s<1>")
    page = client.post("/accounts/logout/")
    assert not is_logged_in(client)
    (address,) = [one.attrib["href"] for one in elements(page).iter("a") if "Log out of" in text(one)]
    there = requests.get(address, timeout=10)
    assert there.status_code == 200, there.text
    said = there.json()
    assert (said["nameID"], said["sessionIndex"]) == ("s-1", "s<1>")
    back = client.get(said["back"].removeprefix("http://testserver"), follow=True)
    assert "You are logged out of Directory too." in back.content.decode()
    # Somebody else's answer says nothing, and is told as such.
    forged = requests.get(address, params={"key": "other"}, timeout=10).json()["back"]
    back = client.get(forged.removeprefix("http://testserver"), follow=True)
    assert "Directory did not confirm your logout there." in back.content.decode()


@pytest.mark.parametrize("more", [{"logout": False}, {"sign_requests": False}])
def test_no_logout_there_is_offered_where_none_would_be_accepted(
    saml_provider: SamlPeer, client: Client, alice: User, settings: Any, more: dict[str, Any]
) -> None:
    settings.SSO_PROVIDERS = saml_provider.settings(**more)
    link(saml_provider, alice)
    sign_in(client, saml_provider)
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"


def test_a_disabled_account_and_an_application_are_refused(
    saml_provider: SamlPeer, client: Client, alice: User
) -> None:
    link(saml_provider, alice)
    link(saml_provider, builders.make_application().principal, "s-2")
    User.objects.filter(pk=alice.pk).update(is_active=False)
    for subject in ("s-1", "s-2"):
        assert sign_in(client, saml_provider, subject).status_code == 403
    assert not LoginSession.objects.exists()


def test_metadata_come_from_a_file_too(
    saml_provider: SamlPeer, client: Client, alice: User, settings: Any, tmp_path: Any
) -> None:
    path = tmp_path / "metadata.xml"
    entry = {**saml_provider.settings()["saml"], "metadata_file": str(path)}
    settings.SSO_PROVIDERS = {"saml": {name: value for name, value in entry.items() if name != "metadata_url"}}
    link(saml_provider, alice)
    assert client.get(f"{BASE}login/").status_code == 503
    path.write_bytes(requests.get(saml_provider.issuer, timeout=10).content)
    assert sign_in(client, saml_provider).status_code == 302


@pytest.mark.parametrize("address", ["http://id.example.com/slo", "slo", "https://id example/slo", "https://[/slo"])
def test_a_bad_address_for_logouts_refuses_no_login(
    saml_provider: SamlPeer,
    client: Client,
    alice: User,
    settings: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    address: str,
) -> None:
    path = tmp_path / "metadata.xml"
    entry = {**saml_provider.settings()["saml"], "metadata_file": str(path)}
    settings.SSO_PROVIDERS = {"saml": {name: value for name, value in entry.items() if name != "metadata_url"}}
    metadata = requests.get(saml_provider.issuer, timeout=10).text
    path.write_text(metadata.replace(f"{saml_provider.address}/slo", address))
    link(saml_provider, alice)
    assert sign_in(client, saml_provider).status_code == 302
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert "no logout there: the address in its metadata" in caplog.text


def test_a_bad_address_for_answers_to_logouts_leaves_the_logout_out(
    saml_provider: SamlPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """python3-saml reads no ResponseLocation of metadata today, but answers there once it does."""
    provider = providers()["saml"]
    assert isinstance(provider, SamlProvider)
    good = saml_metadata.identity_provider_anew(provider)
    assert good["singleLogoutService"]["url"] == f"{saml_provider.address}/slo"
    bad = copy.deepcopy(good)
    bad["singleLogoutService"]["responseUrl"] = "http://id.example.com/slo"
    parser = saml_package.toolkit(provider).OneLogin_Saml2_IdPMetadataParser
    monkeypatch.setattr(parser, "parse", lambda text, entity_id: {"idp": bad})
    assert "singleLogoutService" not in saml_metadata.identity_provider_anew(provider)


@pytest.mark.parametrize("change", [{"issuer": "https://other.example.com"}, {"metadata_url": "http://127.0.0.1:9/"}])
def test_metadata_that_are_not_there_or_of_another_are_told(
    saml_provider: SamlPeer, client: Client, settings: Any, change: dict[str, str]
) -> None:
    settings.SSO_PROVIDERS = saml_provider.settings(**change)
    assert client.get(f"{BASE}login/").status_code == 503


@pytest.mark.django_db
def test_without_the_extra_the_console_works_and_a_check_says_what_is_missing(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saml_package, "_loaded", lambda: None)
    call_command("check")
    settings.SSO_PROVIDERS = {
        "saml": {"kind": "saml", "issuer": "https://id.example.com", "metadata_url": "https://id.example.com/metadata"}
    }
    with pytest.raises(SystemCheckError, match=r"pip install 'sessionadmin\[saml\]'"):
        call_command("check")
    assert client.get("/accounts/login/").status_code == 200
    assert client.get(f"{BASE}login/").status_code == 503


@pytest.mark.parametrize(
    "change",
    [
        {"metadata_url": ""},
        {"metadata_file": "/etc/x"},
        {"metadata_url": "http://id.example.com/"},
        {"idp_initiated": "yes"},
        {"client_id": "x"},
    ],
)
def test_a_malformed_provider_is_reported(saml_provider: SamlPeer, settings: Any, change: dict[str, Any]) -> None:
    settings.SSO_PROVIDERS = saml_provider.settings(**change)
    with pytest.raises(SystemCheckError, match=r"sessions_app\.E050"):
        call_command("check")
