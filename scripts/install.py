"""Make .venv and install exactly what a lock file pins: `install.py run`, `develop` or `bench`.

The Makefile calls this with whatever Python the machine has, so it uses the standard library alone. It leaves a stamp
file that make compares with the lock files; a later `make run` then installs nothing. What takes long says so with
`telling()`, which the other scripts of the start use too.
"""

import contextlib
import re
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
# What each purpose installs, and the purposes that are served by it as well.
LOCK_FILES = {"run": "requirements.lock", "develop": "requirements-dev.lock", "bench": "requirements-bench.lock"}
# The long form of -C, which the pip of Debian 12 does not know. "compat" is a plain path, the quickest to start.
EDITABLE = ["--config-settings", "editable_mode=compat", "--editable"]
EVERY = 4.0  # seconds between two lines about the same work
PIP_SAYS = re.compile(r"\s*(?:Collecting|Downloading|Using cached|Building|Installing|Preparing) .{1,60}")
ALSO_SERVES = {"run": [], "develop": ["run"], "bench": []}


def main(purpose: str) -> int:
    """Install for `purpose` and return an exit code. What went wrong is printed on stderr."""
    # pip is the last thing that venv brings: without it an earlier attempt was interrupted.
    if not (VENV / "bin" / "pip").exists() and not make_environment():
        return 1
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off"]
    steps = [
        [*pip, "--require-hashes", "--requirement", str(ROOT / LOCK_FILES[purpose])],
        # The project itself, for the `sessionadmin` command. Built with the pinned setuptools, not a fetched one.
        [*pip, "--no-deps", "--no-build-isolation", *EDITABLE, str(ROOT)],
    ]
    for step, what in zip(steps, [f"what {LOCK_FILES[purpose]} pins", "the console"], strict=True):
        if run_telling(f"Installing {what} into .venv", step) != 0:
            print(
                "Installing failed; the lines above say why. Run the same command again once it is repaired.",
                file=sys.stderr,
            )
            return 1
    for served in [purpose, *ALSO_SERVES[purpose]]:
        (VENV / f"installed-to-{served}").touch()
    return 0


def make_environment() -> bool:
    """Create .venv. Return False, with what to do on stderr, when this Python cannot."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever calls may have named an older one
        print(f"{sys.executable} is older than Python 3.11. Nothing was installed.", file=sys.stderr)
        return False
    try:
        import ensurepip  # noqa: F401, PLC0415 - Debian splits it off, and says so only half-way through
    except ImportError:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        print(
            f"{sys.executable} cannot make virtual environments. Nothing was installed.\n"
            f"On Debian and Ubuntu: apt-get install python{version}-venv",
            file=sys.stderr,
        )
        return False
    with telling(f"Making .venv with Python {sys.version.split()[0]}"):
        venv.create(VENV, with_pip=True, symlinks=True, clear=True)
    return True


@contextlib.contextmanager
def telling(what: str, detail: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Print what is done in the block, and every few seconds that it goes on, with `detail` if there is one."""
    print(f"{what} ...", flush=True)
    began, over = time.monotonic(), threading.Event()

    def repeat() -> None:
        while not over.wait(EVERY):
            more = detail()
            print(f"  still at it after {time.monotonic() - began:.0f} s{': ' if more else ''}{more}", flush=True)

    teller = threading.Thread(target=repeat, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def run_telling(what: str, command: Sequence[str]) -> int:
    """Run pip, saying every few seconds what it is at, and return its exit code. What it printed is shown if it fails.

    Its errors go to stderr as they come.
    """
    lines: list[str] = []

    def latest() -> str:
        steps = [line.strip() for line in lines[-50:] if PIP_SAYS.match(line)]
        return steps[-1][:72] if steps else ""

    with telling(what, latest), subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            lines.append(line)  # one by one: they are told while the command runs
    if process.returncode:
        print("".join(lines[-20:]), end="", file=sys.stderr)
    return process.returncode


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in LOCK_FILES:
        sys.exit("usage: install.py run|develop|bench")
    sys.exit(main(sys.argv[1]))
