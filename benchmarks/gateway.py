"""Measure what the gateway costs, beside no gateway and beside OpenSSH's own jump host, and how fast control works.

    make bench-gateway                                         as root, where sshd, sudo and visudo are
    make bench-gateway ARGS="--only echo,bulk --rounds 5"
    make bench-gateway ARGS="--database-url postgresql://..."   another database; it makes and removes test_NAME

A real `run_gateway` and real OpenSSH servers and clients run on this machine, and the three ways take turns. The
client, the host and the jump host need CPU time of the same machine, so look at ratios and at the CPU time of the
gateway, and on a busy machine at minima. Nothing is asserted; the goal of each figure is printed beside it. The
database is always removed at the end.
"""

from __future__ import annotations

import argparse
import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path

PARTS = ("echo", "login", "bulk", "reader", "crowd", "account", "kill")


def read_options() -> argparse.Namespace:
    """Return the options of the command line. They say which database, so they are read before Django is set up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=4, help="of bulk; echo has 15 times as many (default: %(default)s)"
    )
    parser.add_argument("--megabytes", type=int, default=256, help="of one transfer (default: %(default)s)")
    parser.add_argument("--sessions", type=int, default=500, help="of the crowd (default: %(default)s)")
    parser.add_argument("--idle", type=float, default=20.0, help="seconds that the crowd idles (default: %(default)s)")
    parser.add_argument("--record", action="store_true", help="echo and bulk are recorded too")
    parser.add_argument("--database-url", default="", help="a PostgreSQL server to use instead of an SQLite file")
    return parser.parse_args()


OPTIONS = read_options()
os.environ["DJANGO_SETTINGS_MODULE"] = "sessionadmin.settings.test"
os.environ["TEST_VAR_DIR"] = tempfile.mkdtemp(prefix="sessionadmin-bench-")
atexit.register(shutil.rmtree, os.environ["TEST_VAR_DIR"], ignore_errors=True)
if OPTIONS.database_url:
    os.environ["TEST_DATABASE_URL"] = OPTIONS.database_url

import django  # noqa: E402 - after the settings are chosen

django.setup()

from django.db import connection  # noqa: E402 - once Django is set up

from benchmarks import gateway_crowd as many  # noqa: E402 - once Django is set up
from benchmarks import gateway_lines as one  # noqa: E402 - once Django is set up
from benchmarks.gateway_scene import WAYS, Scene, scene, used, vendor  # noqa: E402 - once Django is set up
from sessions_app.catalogue.models import ConnectionProfile  # noqa: E402 - once Django is set up


def line(name: str, found: str, bar: str = "") -> None:
    print(f"  {name:44} {found:>42}   {bar}", flush=True)


def show_echo(scene: Scene) -> None:
    """Print the time from a key to its echo."""
    found = one.echo(scene, OPTIONS.rounds * 15)
    for name, share, bar, browser in (("p50", 0.5, 0.5, 1.0), ("p99", 0.99, 3.0, 0.0)):
        values = {way: one.percentile(each, share) for way, each in found.items()}
        three = ", ".join(f"{way} {values[way]:.2f}" for way in WAYS)
        line(f"echo {name}, ms: {len(found['direct'])} keys each", three)
        line(
            "  added by the gateway, by the jump",
            f"{values['gateway'] - values['direct']:.2f}, {values['jump'] - values['direct']:.2f}",
            f"<= {bar}",
        )
        more = f"{values['browser']:.2f}, {values['browser'] - values['gateway']:+.2f} to the gateway by SSH"
        line("  terminal in the browser", more, f"<= +{browser}" if browser else "")


def show_login(scene: Scene) -> None:
    """Print how long a login takes, and how many logins in a second are possible."""
    found = one.logins(scene, OPTIONS.rounds * 5)
    for name, of in (("minimum", min), ("median", lambda values: one.percentile(values, 0.5))):
        line(f"login, ms, {name}", ", ".join(f"{way} {of(found[way]):.0f}" for way in WAYS), "gateway <= jump")
    rates = {way: one.login_rate(scene, OPTIONS.rounds * 15, way=way) for way in WAYS}
    line("logins a second, 8 at a time", ", ".join(f"{way} {rates[way][0]:.1f}" for way in WAYS), ">= 20")
    cpu = rates["gateway"][1]
    line("  CPU of the gateway for one, ms", f"{cpu * 1000:.0f}, enough for {1 / cpu:.0f}/s", "")


def show_bulk(scene: Scene) -> None:
    """Print how fast bytes go up and down."""
    size = OPTIONS.megabytes * 1_000_000
    found = one.bulk(scene, size, OPTIONS.rounds)
    for to in ("down", "up"):
        best = {way: max(found[to, way], key=lambda each: each.rate) for way in WAYS}
        line(f"bulk {to}, MB/s, best of {OPTIONS.rounds}", ", ".join(f"{way} {best[way].rate:.0f}" for way in WAYS))
        cpu = min(each.cpu for each in found[to, "gateway"])
        line(
            "  gateway / jump; CPU ms of the gateway per MB",
            f"{best['gateway'].rate / best['jump'].rate:.2f}; {cpu * 1e9 / size:.2f}",
            ">= 0.8",
        )


def show_reader(scene: Scene) -> None:
    """Print how much memory a client costs that reads nothing."""
    for name, window in (("a window of 2 MiB", 2**21), ("a window of 2 GiB", 2**31 - 1)):
        line(f"a reader that stops, {name}, MB", f"{one.stopped_reader(scene, window=window):.1f}", "<= 8")


def show_crowd(scene: Scene) -> None:
    """Print what many idle connections cost, and how soon a control of each of them is in force."""
    before = used(scene.gateway.process.pid)
    with many.crowd(scene, OPTIONS.sessions) as people:
        found = many.idle(scene, people, before, OPTIONS.idle)
        line(f"{OPTIONS.sessions} idle terminals: KiB each", f"{found.kib:.0f}", "<= 100")
        line("  CPU of the gateway, % of a core", f"{found.cpu * 100:.1f}", "<= 5")
        line("  their logins, six at a time, a second", f"{OPTIONS.sessions / people.seconds:.0f}", ">= 20")
        show_control("lock one after the other", many.lock_each(people))
        many.unlock_each(people)
        show_control("terminate one after the other", many.terminate_each(people))


def show_account(scene: Scene) -> None:
    """Print how soon a control of all connections at once is in force."""
    with many.crowd(scene, OPTIONS.sessions) as people:
        show_control(f"lock the account that has {OPTIONS.sessions}", many.lock_all(people))


def show_control(name: str, found: many.Reached) -> None:
    """Print how soon a control reached everybody."""
    bar = "<= 0.2 s" if vendor() == "PostgreSQL" else "<= 1 s"
    line(f"{name}: until seen", f"median {found.median:.2f} s, last {found.last:.2f} s", bar)
    line("  asking took; confirmed after the last", f"{found.asked:.1f} s; {found.confirmed:.2f} s")


def show_kill(scene: Scene) -> None:
    """Measure what is lost when the gateway is killed with kill -9."""
    ConnectionProfile.objects.filter(pk=scene.session.profile_id).update(record=True)
    found = many.kill(scene)
    line("killed: seconds of the recording lost", f"{found.lost:.2f}", "<= 1")
    line("  its connection is called lost after, s", f"{found.lost_row:.1f}", "<= 20")
    line("  its session is true again after, s", f"{found.true:.1f}", "<= 20")


SHOW = dict(
    zip(PARTS, (show_echo, show_login, show_bulk, show_reader, show_crowd, show_account, show_kill), strict=True)
)


def main() -> None:
    """Run everything in a database that is made for it."""
    logging.disable(logging.WARNING)
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="sessionadmin-bench-gateway-") as directory,
            scene(Path(directory), recorded=OPTIONS.record) as there,
        ):
            print(f"{vendor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
            for part in PARTS:
                if part in OPTIONS.only.split(","):
                    SHOW[part](there)
            print(f"load {os.getloadavg()[0]:.1f}")
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()
