"""The plain text of a secret is in the one answer that shows it, and nowhere else: not in the database's files, logs,
downloads, other pages, the administration, reprs or reports of errors."""

from __future__ import annotations

import io
import logging
import pickle
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.contrib.auth.models import User
from django.core import serializers
from django.core.management import call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.views.debug import ExceptionReporter

from activity.models import LogEntry
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.vault.flows import secret as flow
from sessions_app.vault.models import Secret
from tests.support import pages
from tests.support.vault import PLAIN, make_vault, opened

AsUser = Callable[[User], Client]
NEEDLES = [*PLAIN.splitlines(), "pl41n-Zwiebelkuchen"]
HTMX = {"HX-Request": "true"}


def leaks(text: str | bytes) -> list[str]:
    """Return the parts of the secret that the text contains, also escaped for HTML or JSON, or in base64."""
    data = text.encode() if isinstance(text, str) else text
    return [needle for needle in (*NEEDLES, "pl41n\\u002d", "second &lt;line", "cGw0MW4t") if needle.encode() in data]


def body(response: pages.ClientResponse) -> bytes:
    return pages.streamed(response) if response.streaming else response.content


def set_by(admin: Client, plain: str = PLAIN) -> tuple[Secret, list[bytes]]:
    """Set and change a secret as an administrator, also with errors. Return it and all answers."""
    vault = make_vault()
    add = "/admin/sessions_app/secret/add/"
    form = {"resource": vault.pk, "name": "db root", "description": "PostgreSQL", "content": plain}
    answers = [admin.post(add, {**form, "name": ""}), admin.post(add, form, follow=True)]
    secret = Secret.objects.get()
    change = f"/admin/sessions_app/secret/{secret.pk}/change/"
    answers += [admin.post(change, {**form, "resource": ""}), admin.post(change, form, follow=True)]
    paths = (
        change,
        f"/admin/sessions_app/secret/{secret.pk}/history/",
        f"/admin/sessions_app/secret/{secret.pk}/delete/",
    )
    answers += [admin.get(path) for path in ("/admin/", "/admin/sessions_app/secret/?q=db", *paths)]
    assert all(answer.status_code == 200 for answer in answers)
    secret.refresh_from_db()
    return secret, [body(answer) for answer in answers]


def dumped() -> bytes:
    """Return the contents of all tables, and on SQLite also of the files."""
    text = io.StringIO()
    for model in apps.get_models():
        text.write(serializers.serialize("json", model._default_manager.order_by("pk")))
    found = text.getvalue().encode()
    if connection.vendor == "sqlite":
        path = Path(str(connection.settings_dict["NAME"]))
        for one in (path, path.with_name(f"{path.name}-wal")):
            # By another process: whoever opens and closes the file here loses all locks of this process's connections
            # on it, and the next one that is opened fails with `disk I/O error` (sqlite.org/howtocorrupt.html, 2.2).
            found += subprocess.run(["cat", str(one)], check=True, capture_output=True).stdout if one.exists() else b""
    return found


def test_the_search_finds_what_it_should() -> None:
    assert leaks(f"x{PLAIN}y")
    assert leaks(f"x{PLAIN[:22]}")
    assert not leaks("nothing to see")


@pytest.mark.django_db(transaction=True)
def test_it_is_shown_once_and_kept_nowhere(
    as_user: AsUser,
    alice: User,
    admin: User,
    auditor: User,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    secret, answers = set_by(as_user(admin))
    session = opened(alice, secret.resource)
    client = as_user(alice)
    address = f"/sessions/{session.pk}/secrets/{secret.pk}"
    for headers in (HTMX, {"Accept": "text/html"}):
        shown = client.post(f"{address}/show/", headers=headers)
        assert PLAIN in pages.elements(shown).findtext(".//textarea", "")
        assert client.post(f"{address}/copied/", headers=headers).status_code == 204
    everybody = [client, as_user(admin), as_user(auditor)]
    lists = ["/sessions/", "/sessions/?tab=historical", "/activity/", f"/sessions/{session.pk}/log/", "/logins/"]
    others = [
        f"/sessions/{session.pk}/",
        f"/resources/{secret.resource_id}/",
        f"/users/{alice.pk}/?tab=activity",
        "/accounts/me/",
    ]
    for each in everybody:
        for path in (*lists, *others):
            answers += [body(each.get(path)), body(each.get(path, headers=HTMX))]
            answers.append(body(each.get(path, {"csv": "1"})))
    for entry in LogEntry.objects.all():
        answers.append(body(everybody[1].get(f"/activity/{entry.pk}/")))
    assert [answer for answer in answers if leaks(answer)] == []
    assert LogEntry.objects.filter(verb__startswith="secret.").count() == 4
    assert b"db root" in dumped()
    assert leaks(dumped()) == []
    printed = capfd.readouterr()
    assert leaks(caplog.text + printed.out + printed.err) == []


def test_what_is_known_of_a_secret_never_prints_it(as_user: AsUser, alice: User, admin: User) -> None:
    secret, _ = set_by(as_user(admin))
    session = opened(alice, secret.resource)
    shown = flow.view(alice, session, secret)
    assert shown.content == PLAIN
    assert leaks(f"{secret} {secret!r} {shown} {shown!r} {vars(secret)}") == []
    assert leaks(pickle.dumps(secret)) == []
    dump = io.StringIO()
    call_command("dumpdata", "sessions_app", "activity", stdout=dump)
    assert "db root" in dump.getvalue()
    assert leaks(dump.getvalue()) == []


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sealing, and the log entry after a secret was shown, fail with an unexpected error."""

    def fail(*args: object, **kwargs: object) -> str:
        raise RuntimeError("the moon is full")

    monkeypatch.setattr(Fernet, "generate_key", fail)
    monkeypatch.setattr(flow, "_record", fail)


def reported(error: BaseException) -> str:
    """What Python prints and what Django reports of an error, with the variables of every function, from where the
    server takes over: before that it is this test, which knows the secret."""
    trace = error.__traceback__
    while trace is not None and not trace.tb_frame.f_code.co_filename.endswith("core/handlers/exception.py"):
        trace = trace.tb_next
    assert trace is not None
    report = ExceptionReporter(RequestFactory().get("/"), type(error), error, trace)
    frames = traceback.TracebackException.from_exception(error)
    return "".join(frames.format()) + report.get_traceback_text() + report.get_traceback_html()


def test_an_unforeseen_error_while_it_is_shown_reports_nothing_of_it(
    as_user: AsUser, alice: User, admin: User, request: pytest.FixtureRequest
) -> None:
    secret, _ = set_by(as_user(admin))
    session = opened(alice, secret.resource)
    request.getfixturevalue("broken")
    with pytest.raises(RuntimeError) as caught:
        as_user(alice).post(f"/sessions/{session.pk}/secrets/{secret.pk}/show/")
    text = reported(caught.value)
    assert "the moon is full" in text
    assert leaks(text) == []
    assert PrivilegedSession.objects.get(pk=session.pk).status == session.status


def test_an_unforeseen_error_while_it_is_set_reports_nothing_of_it(as_user: AsUser, admin: User, broken: None) -> None:
    form = {"resource": make_vault().pk, "name": "db root", "content": PLAIN}
    with pytest.raises(RuntimeError) as caught:
        as_user(admin).post("/admin/sessions_app/secret/add/", form)
    assert leaks(reported(caught.value)) == []
    assert not Secret.objects.exists()
