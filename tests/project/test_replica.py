"""Lists may be read from a replica: never while it is behind, never an older list than one's own deed, and never
anything that decides; and nobody notices when it is gone."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from django.contrib.auth.models import User
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpResponse

from sessionadmin import replica
from tests.support import builders, programs
from tests.support.postgres_pair import with_replica
from tests.support.waiting import PATIENCE, wait_until

LISTS = [
    "/sessions/",
    "/approvals/",
    "/sessions/?tab=historical&q=web",
    "/sessions/?csv=1",
    "/logins/",
    "/recordings/",
    "/recordings/?q=password",
    "/resources/",
    "/users/",
    "/activity/?activity=logged",
    "/activity/?csv=1",
    "/activity/summary/?period=1y",
    "/activity/summary/?user=admin&top=10",
    "/activity/chart/?period=1y",
]
SAID = "An entry that somebody else wrote"
READERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%FROM \"activity_logentry\"%' AND pid <> pg_backend_pid()"
)


def test_what_the_replica_shows_is_as_old_as_the_last_moment_it_had_everything() -> None:
    lag = replica.Lag()
    assert lag.seconds(100) == math.inf
    lag.note(100, main=5000, replayed=4000)
    assert lag.seconds(100) == math.inf  # it is behind, and nobody knows since when
    lag.note(101, main=6000, replayed=5000)
    assert lag.seconds(101) == 1
    lag.note(105, main=6000, replayed=5000)
    assert lag.seconds(105) == 5  # it stands still
    lag.note(106, main=6000, replayed=6000)
    assert lag.seconds(106) == 0


def test_without_a_replica_everything_is_read_from_the_main_database() -> None:
    assert replica.ReplicaGauge().where(None) == "default"
    with pytest.raises(MiddlewareNotUsed):
        replica.OwnWrites(lambda request: HttpResponse())


@pytest.fixture
def fresh(settings: Any, monkeypatch: pytest.MonkeyPatch) -> replica.ReplicaGauge:
    """Return the gauge of a replica that has received everything up to position 5000."""
    monkeypatch.setitem(settings.DATABASES, "replica", {"ENGINE": "django.db.backends.postgresql"})
    positions = {"replica": 5000, "default": 5000}
    monkeypatch.setattr(replica, "_position", lambda alias, function: positions[alias])
    return replica.ReplicaGauge()


@pytest.mark.parametrize(
    ("cookie", "alias"),
    [(None, "replica"), ("5000", "replica"), ("5001", "default"), ("unknown", "default"), ("-1", "default")],
)
def test_a_browser_reads_the_replica_once_it_has_what_that_browser_wrote(
    fresh: replica.ReplicaGauge, cookie: str | None, alias: str
) -> None:
    assert fresh.where(cookie) == alias


def test_a_replica_that_failed_is_left_alone(fresh: replica.ReplicaGauge) -> None:
    assert fresh.where(None) == "replica"
    fresh.failed(OSError("gone"))
    assert fresh.where(None) == "default"


@pytest.mark.django_db
def test_nothing_is_written_to_it_and_no_table_is_made_there(alice: User) -> None:
    router, row = replica.Router(), builders.make_session(alice)
    assert router.db_for_read(User) == "default"
    assert router.db_for_read(User, instance=row) == "default"
    row._state.db = "replica"
    assert router.db_for_read(User, instance=row) == "replica"
    assert router.db_for_write(User, instance=row) == "default"
    assert router.allow_relation(row, alice)
    assert not router.allow_migrate("replica", "activity")


def test_a_replica_of_something_else_than_postgresql_is_refused(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(settings.DATABASES, "replica", {"ENGINE": "django.db.backends.sqlite3"})
    assert [problem.id for problem in replica.check_replica()] == ["sessionadmin.E001"]


class Admin:
    """A browser in which an administrator is logged in."""

    def __init__(self, port: int, password: str) -> None:
        self._site, self._session = f"http://127.0.0.1:{port}", requests.Session()
        self._session.get(f"{self._site}/accounts/login/", timeout=PATIENCE)
        self.post("/accounts/login/", username="admin", password=password)
        assert "sessionid" in self._session.cookies

    def post(self, path: str, **sent: str) -> None:
        """Send a form, which has to be accepted."""
        form = {**sent, "csrfmiddlewaretoken": self._session.cookies["csrftoken"]}
        answer = self._session.post(f"{self._site}{path}", data=form, allow_redirects=False, timeout=PATIENCE)
        assert answer.status_code in (204, 302), answer.text

    def get(self, path: str) -> str:
        """Return the text of a page or a download."""
        answer = self._session.get(f"{self._site}{path}", timeout=PATIENCE)
        assert answer.status_code == 200
        return answer.text

    def log(self) -> str:
        """Return the first page of the activity log."""
        return self.get("/activity/")

    def count(self) -> int:
        """Return how many entries the chart has counted."""
        (count,) = re.findall(r"<h2>Entries [^<]*: ([\d,]+)</h2>", self.get("/activity/chart/?period=24h"))
        return int(count.replace(",", ""))

    def forget_own_writes(self) -> None:
        """Forget that this browser has changed something a short time ago."""
        del self._session.cookies[replica.COOKIE]


def write_entry(main: str) -> None:
    """Add a log entry, as another process would."""
    with psycopg.connect(f"{main}/postgres", autocommit=True) as db:
        db.execute(
            "INSERT INTO activity_logentry (at, actor_name, user_name, verb, level, message, target_type, target_name,"
            " details) VALUES (now(), '', '', 'worker.problem', 30, %s, '', '', '{}')",
            [SAID],
        )


@pytest.mark.postgres_only
def test_a_streaming_replica_serves_lists_and_may_fall_behind_or_die(tmp_path: Path) -> None:
    with with_replica() as (main, standby):
        env = programs.clean_environment(
            DJANGO_SETTINGS_MODULE="sessionadmin.settings.development",
            VAR_DIR=str(tmp_path / "var"),
            DATABASE_URL=f"{main}/postgres",
            REPLICA_URL=f"{standby.url}/postgres",
            REPLICA_MAX_LAG="4",
        )
        for command in (["migrate", "-v0"], ["create_first_admin"]):
            done = programs.run([*programs.MANAGE, *command], env)
            assert done.returncode == 0, done.stderr
        forget = "from sessions_app.models import InitialPassword; InitialPassword.objects.all().delete()"
        done_too = programs.run([*programs.MANAGE, "shell", "-v0", "-c", forget], env)  # the list is opened at once
        assert done_too.returncode == 0, done_too.stderr
        [password] = re.findall(r"Password: +(\S+)", done.stdout)
        port = programs.free_port()
        with programs.serving([*programs.MANAGE, "serve", "--port", str(port)], env, port, tmp_path / "out") as web:
            admin = Admin(port, password)
            admin.forget_own_writes()
            wait_until(lambda: bool(admin.log() and standby.ask(READERS)), "the log is read from the replica")
            for path in LISTS:
                admin.get(path)
            assert "The replica is not used" not in web.printed()
            standby.ask("SELECT pg_wal_replay_pause()")
            write_entry(main)
            assert SAID not in admin.log()  # it came from the replica, which is allowed to be a little behind
            counted = admin.count()
            admin.post("/activity/columns/elsewhere/", all="at", shown="at")
            assert SAID in admin.log()  # who wrote reads what they wrote, and so the main database
            assert admin.count() > counted
            admin.forget_own_writes()
            wait_until(lambda: SAID in admin.log(), "a replica that is too far behind is not read")
            standby.ask("SELECT pg_wal_replay_resume()")
            standby.process.kill()
            standby.process.wait()
            assert SAID in admin.log()
            assert not re.search("Traceback", web.printed())
