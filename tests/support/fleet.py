"""Several machines on one PostgreSQL, played by processes of this one: web servers, workers, and browsers that speak
HTTP to whichever web server they meet next."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from sessions_app.worker.models import WorkerHeartbeat
from tests.support import programs
from tests.support.ssh_scene import database_url
from tests.support.waiting import PATIENCE, wait_until


def environment(tmp_path: Path, **extra: str) -> dict[str, str]:
    """Return the environment of a process of the fleet.

    The processes share this test's database, its cache, the directory and the practice hosts, and nothing else.
    """
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.test",
        "TEST_DATABASE_URL": database_url(connection.settings_dict),
        "TEST_VAR_DIR": str(tmp_path),
        "TEST_CACHE_URL": settings.DATABASE_CACHE,
        **extra,
    }


@contextlib.contextmanager
def webs(tmp_path: Path, count: int, env: Mapping[str, str]) -> Iterator[list[str]]:
    """Run `count` web servers with one web process each, and yield their addresses."""
    with contextlib.ExitStack() as stack:
        addresses = []
        for number in range(count):
            port = programs.free_port()
            command = [*programs.MANAGE, "serve", "--port", str(port), "--threads", "4"]
            stack.enter_context(programs.serving(command, env, port, tmp_path / f"web-{number}.out"))
            addresses.append(f"http://127.0.0.1:{port}")
        yield addresses


@contextlib.contextmanager
def workers(count: int, env: Mapping[str, str]) -> Iterator[None]:
    """Run `count` workers, and stop them properly afterwards."""
    command = [*programs.MANAGE, "run_worker", "--interval", "0.1", "--threads", "4"]
    processes = [subprocess.Popen(command, env=dict(env)) for _ in range(count)]
    try:
        wait_until(lambda: WorkerHeartbeat.objects.count() == count, "the workers are running")
        yield
        for process in processes:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(PATIENCE) for process in processes] == [0] * count
    finally:
        for process in processes:
            process.kill()
            process.wait()


class Browser:
    """One browser that is logged in as `user`; `at` says which web server answers."""

    def __init__(self, user: User) -> None:
        client = Client()
        client.force_login(user)
        self._cookies = {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}

    def get(self, at: str, path: str, **query: Any) -> requests.Response:
        response = requests.get(f"{at}{path}", params=query, cookies=self._cookies, timeout=PATIENCE)
        assert response.status_code == 200, response.text
        return response

    def post(self, at: str, path: str, sent: Mapping[str, Any]) -> requests.Response:
        """Send the form without JavaScript, and return the answer without checking it."""
        token = secrets.token_hex(16)
        return requests.post(
            f"{at}{path}",
            data={**sent, "csrfmiddlewaretoken": token},
            cookies={**self._cookies, settings.CSRF_COOKIE_NAME: token},
            timeout=PATIENCE,
            allow_redirects=False,
        )


def at_once(calls: Sequence[Callable[[], requests.Response]]) -> list[requests.Response]:
    """Start all calls at the same moment, each in its own thread, and return their answers."""
    barrier = threading.Barrier(len(calls))
    outcomes: list[requests.Response | BaseException] = [RuntimeError("did not run") for _ in calls]

    def run(number: int) -> None:
        try:
            barrier.wait(timeout=PATIENCE)
            outcomes[number] = calls[number]()
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread of the test
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE * 2)
    answers = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        assert outcome.status_code < 500, outcome.text
        answers.append(outcome)
    return answers
