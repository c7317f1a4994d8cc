"""The SSH keys on the account page: registered, shown, removed, and never the wrong half."""

from __future__ import annotations

from collections.abc import Callable

import asyncssh
import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.hosts.flows import ssh_keys
from sessions_app.hosts.flows.ssh_keys import MOST_KEYS
from sessions_app.hosts.models import ServiceKey, UserKey
from sessions_app.hosts.ssh import ca, service
from tests.support.builders import make_key
from tests.support.pages import elements, text

AsUser = Callable[[User], Client]
ADD = "/accounts/keys/add/"


def new_line(comment: str = "alice@laptop") -> str:
    return asyncssh.generate_private_key("ssh-ed25519", comment=comment).export_public_key().decode()


def test_a_registered_key_is_shown_with_its_fingerprint_and_logged(alice: User, as_user: AsUser) -> None:
    client = as_user(alice)
    line = new_line()
    assert client.post(ADD, {"key": line, "title": ""}).status_code == 302
    key = UserKey.objects.get(user=alice)
    assert key.title == "alice@laptop"
    shown = text(elements(client.get("/accounts/me/")))
    assert f"alice@laptop Ed25519, {key.fingerprint}" in shown
    assert "not used yet" in shown
    entry = LogEntry.objects.get(verb=Verb.KEY_ADDED)
    assert entry.actor == alice
    assert entry.details["fingerprint"] == key.fingerprint
    assert key.fingerprint in entry.message


@pytest.mark.parametrize("comment", ["", "\x1b[31mred"])
def test_a_key_has_a_title_that_is_safe_to_show(alice: User, as_user: AsUser, comment: str) -> None:
    as_user(alice).post(ADD, {"key": f"{' '.join(new_line().split()[:2])} {comment}"})
    title = UserKey.objects.get(user=alice).title
    assert title in ("Ed25519", "[31mred")


def test_a_weak_key_is_refused_at_its_field(alice: User, as_user: AsUser) -> None:
    weak = asyncssh.generate_private_key("ssh-rsa", key_size=2048).export_public_key().decode()
    answer = as_user(alice).post(ADD, {"key": weak})
    assert answer.status_code == 422
    assert "2048 bits" in text(elements(answer).find(".//p[@class='problem']"))
    assert not UserKey.objects.exists()


def test_a_private_key_is_not_stored_not_shown_and_not_logged(
    alice: User, as_user: AsUser, caplog: pytest.LogCaptureFixture
) -> None:
    private = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    answer = as_user(alice).post(ADD, {"key": private, "title": "mine"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "private key" in page
    for line in private.splitlines()[1:-1]:
        assert line not in page
        assert line not in caplog.text
        assert line not in str(list(LogEntry.objects.values()))
    assert not UserKey.objects.exists()


def test_nobody_shares_a_key(alice: User, outsider: User, as_user: AsUser) -> None:
    line = new_line()
    make_key(alice, line)
    own = as_user(alice).post(ADD, {"key": line})
    assert "registered already, as “laptop”" in own.content.decode()
    other = as_user(outsider).post(ADD, {"key": f"{line.split()[0]} {line.split()[1]} another-comment"})
    assert other.status_code == 422
    assert "somebody else" in other.content.decode()
    assert "alice" not in text(elements(other).find(".//main"))
    assert UserKey.objects.count() == 1


def test_keys_of_the_console_itself_are_refused(alice: User, as_user: AsUser) -> None:
    stored = ServiceKey(name="fleet")
    service.fill(stored)
    stored.save()
    for line in (ca.create().public_key, stored.public_key):
        assert as_user(alice).post(ADD, {"key": line}).status_code == 422
    assert not UserKey.objects.exists()


def test_of_two_people_who_register_a_key_at_once_one_gets_it(
    alice: User, outsider: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = new_line()

    def meanwhile(fingerprint: str) -> bool:
        make_key(outsider, line)
        return False

    monkeypatch.setattr(ssh_keys, "_is_ours", meanwhile)
    with pytest.raises(Refused, match="somebody else"):
        ssh_keys.add_key(alice, title="", line=line)
    assert not UserKey.objects.filter(user=alice).exists()


def test_an_account_has_twenty_keys_at_most(alice: User, as_user: AsUser) -> None:
    for _ in range(MOST_KEYS):
        make_key(alice)
    answer = as_user(alice).post(ADD, {"key": new_line()})
    assert answer.status_code == 422
    assert "Remove one first" in answer.content.decode()
    assert UserKey.objects.count() == MOST_KEYS


def test_removing_a_key_asks_first_and_is_logged(alice: User, as_user: AsUser) -> None:
    key = make_key(alice)
    client = as_user(alice)
    asked = client.get(f"/accounts/keys/{key.pk}/remove/")
    assert key.fingerprint in asked.content.decode()
    dialog = client.get(f"/accounts/keys/{key.pk}/remove/", headers={"HX-Request": "true"})
    assert elements(dialog).find(".//html") is None
    assert elements(dialog).find(".//h2[@id='dialog-title']") is not None
    assert UserKey.objects.exists()
    assert client.post(f"/accounts/keys/{key.pk}/remove/").status_code == 302
    assert not UserKey.objects.exists()
    assert LogEntry.objects.get(verb=Verb.KEY_REMOVED).details["fingerprint"] == key.fingerprint
    assert client.post(f"/accounts/keys/{key.pk}/remove/").status_code == 404


def test_somebody_elses_key_is_not_found(alice: User, admin: User, as_user: AsUser) -> None:
    key = make_key(alice)
    assert as_user(admin).post(f"/accounts/keys/{key.pk}/remove/").status_code == 404
    assert UserKey.objects.filter(pk=key.pk).exists()
