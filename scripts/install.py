"""Make .venv and install exactly what a lock file pins: `install.py run`, `develop` or `bench`.

The Makefile calls this with whatever Python the machine has, so it uses the standard library alone. It leaves a stamp
file that make compares with the lock files; a later `make run` then installs nothing.
"""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
# What each purpose installs, and the purposes that are served by it as well.
LOCK_FILES = {"run": "requirements.lock", "develop": "requirements-dev.lock", "bench": "requirements-bench.lock"}
# The long form of -C, which the pip of Debian 12 does not know. "compat" is a plain path, the quickest to start.
EDITABLE = ["--config-settings", "editable_mode=compat", "--editable"]
ALSO_SERVES = {"run": [], "develop": ["run"], "bench": []}


def main(purpose: str) -> int:
    """Install for `purpose` and return an exit code. What went wrong is printed on stderr."""
    # pip is the last thing that venv brings: without it an earlier attempt was interrupted.
    if not (VENV / "bin" / "pip").exists() and not make_environment():
        return 1
    print(f"Installing what {LOCK_FILES[purpose]} pins into .venv ...", flush=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = [
        [*pip, "--require-hashes", "--requirement", str(ROOT / LOCK_FILES[purpose])],
        # The project itself, for the `sessionadmin` command. Built with the pinned setuptools, not a fetched one.
        [*pip, "--no-deps", "--no-build-isolation", *EDITABLE, str(ROOT)],
    ]
    for step in steps:
        if subprocess.run(step, cwd=ROOT, check=False).returncode != 0:
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
    print(f"Making .venv with Python {sys.version.split()[0]} ...", flush=True)
    venv.create(VENV, with_pip=True, symlinks=True, clear=True)
    return True


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in LOCK_FILES:
        sys.exit("usage: install.py run|develop|bench")
    sys.exit(main(sys.argv[1]))
