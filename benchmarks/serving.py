"""Measures the log page over HTTP: wrk asks `sessionadmin serve` with two web processes for it over 16 connections."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

from django.conf import settings

from benchmarks.data import browser
from scripts.throwaway_postgres import free_port

SECONDS = 10
START_WITHIN = 120  # seconds; a busy machine takes its time
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def figures() -> dict[str, Any] | None:
    """Return requests in a second, and latencies in milliseconds; None if wrk is not installed."""
    if shutil.which("wrk") is None:
        print("SKIPPED: serving the log page, because wrk is not installed (Debian: apt-get install wrk)")
        return None
    cookie = f"{settings.SESSION_COOKIE_NAME}={browser().cookies[settings.SESSION_COOKIE_NAME].value}"
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "django", "serve", "--port", str(port), "--workers", "2"],
        stdout=subprocess.DEVNULL,  # what it complains of is seen: stderr is ours
        env={**os.environ, "BENCH_WITHOUT_PEERS": "1"},
    )
    try:
        _wait(f"http://127.0.0.1:{port}/healthz")
        url = f"http://127.0.0.1:{port}/activity/"
        command = ["wrk", "-t2", "-c16", "--latency", "-H", f"Cookie: {cookie}"]
        subprocess.run([*command, "-d2s", url], check=True, capture_output=True)
        said = subprocess.run([*command, f"-d{SECONDS}s", url], check=True, capture_output=True, text=True).stdout
    finally:
        server.terminate()
        server.wait(20)
    return read(said)


def read(said: str) -> dict[str, Any]:
    """Return the figures that wrk printed. Raise RuntimeError if it reports refused pages."""
    if "Non-2xx" in said:
        raise RuntimeError(said)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    latency = {
        name: float(number) * UNITS[unit] for name, number, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)", said)
    }
    if rate is None or "99" not in latency:
        raise RuntimeError(f"wrk was not understood:\n{said}")
    return {"requests_a_second": float(rate[1]), "p50_ms": latency["50"], "p99_ms": latency["99"]}


def _wait(url: str) -> None:
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"Nothing answered at {url} within {START_WITHIN} s ({os.environ['DJANGO_SETTINGS_MODULE']})")
