"""When steps fail on real hosts, nothing of others is touched, and all rights are removed in the end."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from activity.models import Level, LogEntry
from sessions_app.catalogue.models import Activity, Resource
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import sshd
from tests.support.programs import free_port
from tests.support.scene import ask
from tests.support.ssh_scene import forget, given, make_host, prepare, said, worked

pytestmark = [pytest.mark.sshd, pytest.mark.django_db]


def add_account(name: str) -> None:
    subprocess.run(["useradd", "-m", "-s", "/bin/sh", "-p", "*", name], check=True)


def failed(user: User) -> PrivilegedSession:
    session = worked(ask(user))
    assert session.status == Status.FAILED, said(session)
    return session


def test_an_account_that_is_taken_is_not_touched(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice, login_account_template="satest-{user}")
    add_account("satest-alice")
    before = subprocess.run(["getent", "shadow", "satest-alice"], capture_output=True, check=True).stdout
    session = failed(alice)
    assert "exists on web-1 already" in session.end_reason
    assert subprocess.run(["getent", "shadow", "satest-alice"], capture_output=True, check=True).stdout == before
    assert not Path("/home/satest-alice/.ssh").exists()
    assert not (sshd.STATE / f"session-{session.pk}").exists()


@pytest.mark.parametrize(
    ("activity", "reason"),
    [
        ({"sudo_rule": "ALL=(ALL NOPASSWD: ALL"}, "sudo rule of the activity is not valid"),
        ({"unix_groups": "satest-nowhere"}, "A group that the activity names does not exist"),
        ({"shell": "/bin/satest-shell"}, "The shell that the activity names does not exist"),
        ({"kind": "managed", "login_account_template": "satest-gone"}, "satest-gone does not exist on web-1"),
        ({"kind": "managed", "login_account_template": "root"}, "is root or the service account"),
    ],
)
def test_what_the_host_cannot_give_fails_the_session_and_leaves_nothing(
    server: sshd.Server, alice: User, key: Path, activity: dict[str, str], reason: str
) -> None:
    prepare(server, alice, **activity)
    assert reason in failed(alice).end_reason
    assert sshd.leftovers() == []
    subprocess.run(["visudo", "-c", "-q"], check=True)


def test_a_changed_host_key_fails_the_session_before_anything_is_sent(
    server: sshd.Server, alice: User, key: Path, tmp_path: Path
) -> None:
    prepare(server, alice)
    Resource.objects.update(host_key=sshd.make_key(tmp_path / "other"))
    session = worked(ask(alice))
    assert "another host key" in session.end_reason
    errors = LogEntry.objects.of_target(session).filter(level=Level.ERROR).values_list("message", flat=True)
    assert any("another host key" in message for message in errors)
    assert session.status == Status.CANCELING  # it cannot know that nothing was given
    assert "Accepted" not in server.printed()
    Resource.objects.update(host_key=server.host_key)
    assert worked(session).status == Status.FAILED


def test_a_host_that_is_down_while_rights_are_taken_away_is_asked_until_it_answers(
    server: sshd.Server, alice: User, key: Path
) -> None:
    resource = prepare(server, alice)
    session = given(alice)
    Resource.objects.update(port=free_port())
    end(alice, session)
    worked(session)
    assert session.status == Status.CANCELING
    assert "cannot be reached" in session.last_error
    assert session.login_account in sshd.accounts()
    Resource.objects.filter(pk=resource.pk).update(port=server.port)
    assert worked(session).status == Status.COMPLETE
    assert sshd.leftovers() == []


def test_a_dead_host_costs_one_wait_and_not_one_for_each_session(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    Resource.objects.update(port=free_port())
    first, second = ask(alice), ask(alice_again(alice))
    started = time.monotonic()
    assert "cannot be reached" in worked(first).last_error
    assert "cannot be reached" in worked(second).last_error
    assert time.monotonic() - started < 8
    forget()


def alice_again(alice: User) -> User:
    bob = User.objects.create_user("bob")
    for policy in alice.access_policies.all():
        policy.users.add(bob)
    return bob


def test_a_managed_account_is_opened_for_the_session_only(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice, kind="managed", login_account_template="satest-deploy", unix_groups="adm")
    add_account("satest-deploy")
    home = Path("/home/satest-deploy")
    own = subprocess.Popen(["setpriv", "--reuid=satest-deploy", "--clear-groups", "sleep", "4714"])
    try:
        session = given(alice)
        assert server.ssh("satest-deploy", key, "id -nG; sudo -n id -u").stdout.split() == ["satest-deploy", "adm", "0"]
        end(alice, session)
        assert worked(session).status == Status.COMPLETE, said(session)
        assert server.ssh("satest-deploy", key, "true").returncode == 255
        assert own.poll() is None
    finally:
        own.kill()
        own.wait()
    assert (home / ".ssh" / "authorized_keys").read_text() == ""
    groups = subprocess.run(["id", "-nG", "satest-deploy"], capture_output=True, text=True, check=True).stdout
    assert groups.split() == ["satest-deploy"]
    assert not (sshd.STATE / f"session-{session.pk}").exists()


def test_commands_get_their_words_quoted_and_are_undone(
    server: sshd.Server, alice: User, key: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "it's; touch $HOME"
    prepare(
        server,
        alice,
        kind="commands",
        login_account_template="satest-none",
        grant_actions=f'/usr/bin/touch "{mark} {{account}} {{session}}"',
        remove_actions=f'/bin/rm -f "{mark} {{account}} {{session}}"',
    )
    session = given(alice)
    assert [one.name for one in tmp_path.glob("it's*")] == [f"it's; touch $HOME satest-none {session.pk}"]
    end(alice, session)
    assert worked(session).status == Status.COMPLETE
    assert list(tmp_path.glob("it's*")) == []
    assert sshd.leftovers() == []


def test_a_command_that_fails_fails_the_session_after_the_commands_that_take_away(
    server: sshd.Server, alice: User, key: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    prepare(
        server,
        alice,
        kind="commands",
        grant_actions=f"/usr/bin/touch {mark}\n/bin/ls --password=hunter2 /nowhere",
        remove_actions=f"/bin/rm -f {mark}",
    )
    session = worked(ask(alice))
    assert session.status == Status.FAILED
    assert not mark.exists()
    assert "hunter2" not in " ".join(said(session))


def test_a_service_account_with_sudo_does_the_same(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    add_account("satest-svc")
    rule = Path("/etc/sudoers.d/satest-svc")
    rule.write_text("satest-svc ALL=(root) NOPASSWD: ALL\n")
    rule.chmod(0o440)
    try:
        Resource.objects.update(service_account="satest-svc")
        session = given(alice)
        assert server.ssh(session.login_account, key, "sudo -n id -u").stdout.strip() == "0"
        end(alice, session)
        assert worked(session).status == Status.COMPLETE
        rule.unlink()
        session = worked(ask(alice))
        assert "may not become root" in " ".join(said(session))
    finally:
        rule.unlink(missing_ok=True)


def test_a_host_whose_key_nobody_confirmed_gets_nothing(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    make_host(server)
    Resource.objects.update(host_key="")
    session = worked(ask(alice))
    assert "not confirmed yet" in session.end_reason
    assert Activity.objects.count() == 1
    assert "Accepted" not in server.printed()


def test_a_full_disk_gives_nothing_halfway_and_is_tried_again(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    sshd.STATE.mkdir(mode=0o700, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(sshd.STATE)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        with contextlib.suppress(OSError):
            (sshd.STATE / "full").write_bytes(b"x" * 1_000_000)
        session = worked(ask(alice))
        assert session.status == Status.PROVISIONING
        assert "No space left" in session.last_error
        assert sshd.accounts() == []
        (sshd.STATE / "full").unlink()
        assert worked(session).status == Status.AVAILABLE
        end(alice, session)
        assert worked(session).status == Status.COMPLETE
        assert sshd.leftovers() == []
    finally:
        subprocess.run(["umount", str(sshd.STATE)], check=True)
