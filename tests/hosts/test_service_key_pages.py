"""Service keys on the console's own pages: made or taken over, the public half shown, the private half never."""

from __future__ import annotations

import asyncssh
from django.contrib.auth.models import User
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.hosts.models import ServiceKey
from sessions_app.hosts.ssh import service
from tests.support.administration import last, said
from tests.support.builders import make_resource

ADD = "/service-keys/add/"


def test_a_new_pair_is_made_and_its_public_half_shown(boss: Client, admin: User) -> None:
    page = boss.post(ADD, {"name": "fleet", "private": ""}, follow=True)
    key = ServiceKey.objects.get()
    assert page.redirect_chain == [(f"/service-keys/{key.pk}/change/", 302)]
    assert key.public_key in said(page)
    assert "Add the public key below" in said(page)
    assert service.open_key(key).get_fingerprint("sha256") == key.fingerprint
    for place in (said(page), said(boss.get("/service-keys/")), str(list(LogEntry.objects.values()))):
        assert key.private_key not in place
        assert "PRIVATE KEY" not in place
    assert last(Verb.RECORD_ADDED).actor == admin
    assert last(Verb.RECORD_ADDED).details["new"]["private_key"] == "(sealed)"


def test_a_private_key_is_taken_over_and_not_shown_again(boss: Client) -> None:
    own = asyncssh.generate_private_key("ssh-ed25519")
    text = own.export_private_key().decode()
    assert boss.post(ADD, {"name": "own", "private": text}).status_code == 302
    assert ServiceKey.objects.get().fingerprint == own.get_fingerprint("sha256")
    again = boss.post(ADD, {"name": "again", "private": text})
    assert again.status_code == 422
    assert "stored already" in said(again)
    refused = boss.post(ADD, {"name": "", "private": text, "_show": "1"})
    for line in text.splitlines()[1:-1]:
        assert line not in said(again) + said(refused)
        assert line not in str(list(LogEntry.objects.values())) + str(list(ServiceKey.objects.values()))
    assert "This is no private key" in said(boss.post(ADD, {"name": "x", "private": "hunter2"}))
    assert ServiceKey.objects.count() == 1


def test_only_the_name_changes_later(boss: Client) -> None:
    boss.post(ADD, {"name": "fleet", "private": ""})
    key = ServiceKey.objects.get()
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    sent = {"name": "old fleet", "private": other, "public_key": "x", "private_key": "x"}
    assert "<textarea" not in said(boss.get(f"/service-keys/{key.pk}/change/"))
    assert boss.post(f"/service-keys/{key.pk}/change/", sent).status_code == 302
    now = ServiceKey.objects.get()
    assert (now.name, now.fingerprint, now.private_key) == ("old fleet", key.fingerprint, key.private_key)


def test_a_key_that_a_host_uses_is_not_deleted(boss: Client) -> None:
    boss.post(ADD, {"name": "fleet", "private": ""})
    key = ServiceKey.objects.get()
    host = make_resource("web-1", service_key=key)
    answer = boss.post(f"/service-keys/{key.pk}/delete/")
    assert answer.status_code == 422
    assert "is used by 1 resource. Nothing was deleted. Choose another key for them first." in said(answer)
    host.delete()
    assert boss.post(f"/service-keys/{key.pk}/delete/")["Location"] == "/service-keys/"
    assert not ServiceKey.objects.exists()
