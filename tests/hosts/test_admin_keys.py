"""Service keys in the administration: made or taken over, the public half shown, the private half never."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import asyncssh
import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.errors import Forbidden
from sessions_app.hosts.flows import ssh_keys
from sessions_app.hosts.models import ServiceKey, UserKey
from sessions_app.hosts.ssh import service
from tests.support.builders import make_application, make_key, make_resource

AsUser = Callable[[User], Client]
ADD = "/admin/sessions_app/servicekey/add/"


def test_a_new_pair_is_made_and_its_public_half_shown(boss: Client, admin: User) -> None:
    assert boss.post(ADD, {"name": "fleet", "private": ""}).status_code == 302
    key = ServiceKey.objects.get()
    assert service.open_key(key).get_fingerprint("sha256") == key.fingerprint
    page = boss.get(f"/admin/sessions_app/servicekey/{key.pk}/change/").content.decode()
    assert key.public_key.split()[1] in page.replace("&#x2B;", "+")
    for place in (page, boss.get("/admin/sessions_app/servicekey/").content.decode()):
        assert key.private_key not in place
        assert "PRIVATE KEY" not in place
    entry = LogEntry.objects.get(verb=Verb.RECORD_ADDED, target_type="sessions_app.servicekey")
    assert entry.actor == admin
    assert entry.details["new"]["private_key"] == "(sealed)"
    assert key.private_key not in str(list(LogEntry.objects.values()))


def test_a_private_key_is_taken_over_and_not_shown_again(boss: Client) -> None:
    own = asyncssh.generate_private_key("ssh-ed25519")
    text = own.export_private_key().decode()
    assert boss.post(ADD, {"name": "own", "private": text}).status_code == 302
    assert ServiceKey.objects.get().fingerprint == own.get_fingerprint("sha256")
    again = boss.post(ADD, {"name": "again", "private": text})
    assert "stored already" in again.content.decode()
    for line in text.splitlines()[1:-1]:
        assert line not in again.content.decode()
        assert line not in str(list(LogEntry.objects.values()))
        assert line not in str(list(ServiceKey.objects.values()))


@pytest.mark.parametrize("kind", ["nonsense", "weak"])
def test_what_is_no_good_key_is_refused_without_repeating_it(boss: Client, kind: str) -> None:
    text = "hunter2-is-my-password"
    if kind == "weak":
        text = asyncssh.generate_private_key("ssh-rsa", key_size=1024).export_private_key().decode()
    answer = boss.post(ADD, {"name": "x", "private": text})
    assert answer.status_code == 200
    assert text.splitlines()[-2 if kind == "weak" else 0] not in answer.content.decode()
    assert not ServiceKey.objects.exists()


def test_without_an_encryption_key_nothing_is_stored(boss: Client, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = []
    assert "ENCRYPTION_KEYS" in boss.post(ADD, {"name": "x", "private": ""}).content.decode()
    assert not ServiceKey.objects.exists()


def test_only_the_name_changes_later(boss: Client) -> None:
    boss.post(ADD, {"name": "fleet", "private": ""})
    key = ServiceKey.objects.get()
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    sent = {"name": "old fleet", "private": other, "public_key": "x", "private_key": "x"}
    assert boss.post(f"/admin/sessions_app/servicekey/{key.pk}/change/", sent).status_code == 302
    now = ServiceKey.objects.get()
    assert (now.name, now.fingerprint, now.private_key) == ("old fleet", key.fingerprint, key.private_key)


def test_a_key_that_a_host_uses_is_not_deleted(boss: Client) -> None:
    boss.post(ADD, {"name": "fleet", "private": ""})
    key = ServiceKey.objects.get()
    host = make_resource("web-1", service_key=key)
    answer = boss.post(f"/admin/sessions_app/servicekey/{key.pk}/delete/", {"post": "yes"}, follow=True)
    assert "Choose another key for them first" in answer.content.decode()
    host.service_key = None
    host.save(update_fields=["service_key"])
    boss.post(f"/admin/sessions_app/servicekey/{key.pk}/delete/", {"post": "yes"})
    assert not ServiceKey.objects.exists()


PEOPLE = "/admin/sessions_app/userkey/"


def new_line() -> str:
    return asyncssh.generate_private_key("ssh-ed25519", comment="job@host").export_public_key().decode()


def test_an_administrator_registers_the_key_of_an_application(boss: Client, admin: User) -> None:
    application, line = make_application(), new_line()
    sent = {"application": application.pk, "key": line, "title": ""}
    assert boss.post(f"{PEOPLE}add/", sent).status_code == 302
    key = UserKey.objects.get()
    assert (key.user, key.title) == (application.principal, "job@host")
    entry = LogEntry.objects.get(verb=Verb.KEY_ADDED)
    assert (entry.actor, entry.user) == (admin, application.principal)
    again = boss.post(f"{PEOPLE}add/", sent)
    assert again.status_code == 200
    assert "registered already" in again.content.decode()
    assert UserKey.objects.count() == 1


def test_a_weak_key_of_an_application_is_refused(boss: Client) -> None:
    weak = asyncssh.generate_private_key("ssh-rsa", key_size=2048).export_public_key().decode()
    answer = boss.post(f"{PEOPLE}add/", {"application": make_application().pk, "key": weak, "title": ""})
    assert "2048 bits" in answer.content.decode()
    assert not UserKey.objects.exists()


def test_nobody_registers_a_key_for_another_person(admin: User, alice: User, outsider: User) -> None:
    for actor in (admin, outsider):
        with pytest.raises(Forbidden):
            ssh_keys.add_key(actor, title="", line=new_line(), owner=alice)
    with pytest.raises(Forbidden):
        ssh_keys.add_key(outsider, title="", line=new_line(), owner=make_application().principal)
    assert not UserKey.objects.exists()


def test_an_administrator_sees_and_removes_a_stolen_key_but_changes_none(
    boss: Client, admin: User, alice: User, outsider: User
) -> None:
    key = make_key(alice)
    assert key.fingerprint in boss.get(PEOPLE).content.decode().replace("&#x2B;", "+")
    page = boss.get(f"{PEOPLE}{key.pk}/change/")
    assert page.status_code == 200
    assert boss.post(f"{PEOPLE}{key.pk}/change/", {"title": "x"}).status_code == 403
    with pytest.raises(Forbidden):
        ssh_keys.remove_key(outsider, key)
    assert boss.post(f"{PEOPLE}{key.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not UserKey.objects.exists()
    entry = LogEntry.objects.get(verb=Verb.KEY_REMOVED)
    assert (entry.actor, entry.user) == (admin, alice)
    assert "of alice" in entry.message
