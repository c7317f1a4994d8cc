"""Fetch the player of recordings, the terminal and the typeface from npm, as package-lock.json pins them.

They go into static/vendor/, which git ignores. `.venv/bin/python -m scripts.vendor` does it, and `make run` and
`make test` do when something is missing. Without npm the console works: the replay of recordings and the terminal in
the browser are off, and say so, and pages use a typeface of the system.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.install import telling
from sessions_app.logins.geoip.npm_program import find_npm

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
INTO = ROOT / "static" / "vendor"
# Where it lies in node_modules, and what it is called in static/vendor.
FILES = {
    "asciinema-player/dist/bundle/asciinema-player.min.js": "asciinema-player.js",
    "asciinema-player/dist/bundle/asciinema-player.css": "asciinema-player.css",
    "@xterm/xterm/lib/xterm.mjs": "xterm.mjs",
    "@xterm/xterm/css/xterm.css": "xterm.css",
    "@xterm/addon-fit/lib/addon-fit.mjs": "xterm-addon-fit.mjs",
    "@xterm/addon-unicode11/lib/addon-unicode11.mjs": "xterm-addon-unicode.mjs",
}
TYPEFACE = MODULES / "@fontsource-variable" / "inter"
TYPEFACE_CSS = "inter.css"
TYPEFACE_PARTS = ("inter-latin-ext-wght-normal", "inter-latin-wght-normal")  # of its many alphabets
TYPEFACE_LICENSE = "inter-license.txt"  # which has to go wherever the typeface goes
# What stands in until the typeface is there: Arial and its twins, stretched to the measures of Inter, so that nothing
# jumps. (Arial's letters are 0.934 times as wide as Inter's at the same size; heights are those of Inter's own file.)
STAND_IN = """\
@font-face {
  font-family: "Inter Fallback";
  src: local("Arial"), local("Liberation Sans"), local("Helvetica Neue"), local("Helvetica"), local("Arimo");
  size-adjust: 107.12%;
  ascent-override: 90.44%;
  descent-override: 22.52%;
  line-gap-override: 0%;
}
"""
NPM_SECONDS = 180  # seconds for npm; a network that swallows everything must not hold up the start for ever
# A source map is not shipped, and collectstatic would look for it.
SOURCE_MAP = re.compile(r"^\s*(//[#@] sourceMappingURL=.*|/\*[#@] sourceMappingURL=.*\*/)\s*$", re.M)


def main() -> int:
    """Fetch what is missing. Return 1, as the exit code, when that failed."""
    if not ensure():
        return 1
    print(f"The player, the terminal and the typeface are in {INTO.relative_to(ROOT)}/.")
    return 0


def ensure() -> bool:
    """Install and copy, unless everything is there as pinned.

    Return False, with the reason on stderr, when that failed.
    """
    if is_current():
        return True
    if not install():
        print(
            "The player of recordings, the terminal and the typeface could not be fetched from npm. "
            "Player and terminal stay off in the browser. Everything else works. "
            "Once npm can be reached: .venv/bin/python -m scripts.vendor",
            file=sys.stderr,
            flush=True,
        )
        return False
    INTO.mkdir(parents=True, exist_ok=True)
    for source, name in FILES.items():
        text = (MODULES / source).read_text(encoding="utf-8")
        (INTO / name).write_text(SOURCE_MAP.sub("", text), encoding="utf-8")
    copy_typeface()
    return True


def copy_typeface() -> None:
    """Copy the alphabets that are used and the license, and write the style sheet that names them."""
    sheet = (TYPEFACE / "wght.css").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"/\* (\S+) \*/\s*(@font-face \{.*?\n\})", sheet, re.S))
    faces = [blocks[name].replace("url(./files/", "url(") for name in TYPEFACE_PARTS]
    for name in TYPEFACE_PARTS:
        shutil.copyfile(TYPEFACE / "files" / f"{name}.woff2", INTO / f"{name}.woff2")
    shutil.copyfile(TYPEFACE / "LICENSE", INTO / TYPEFACE_LICENSE)
    (INTO / TYPEFACE_CSS).write_text("\n".join([*faces, STAND_IN]), encoding="utf-8")


def is_current() -> bool:
    """Return whether every file is there and none is older than what pins it."""
    pinned = (ROOT / "package-lock.json").stat().st_mtime
    typeface = [TYPEFACE_CSS, TYPEFACE_LICENSE, *(f"{name}.woff2" for name in TYPEFACE_PARTS)]
    files = [INTO / name for name in [*FILES.values(), *typeface]]
    return all(path.is_file() and path.stat().st_mtime >= pinned for path in files)


def install(lock: Path = ROOT / "package-lock.json") -> bool:
    """Install what package-lock.json pins into node_modules, unless it is there. Return False when that failed."""
    installed = MODULES / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return True
    npm = find_npm()
    if not npm:
        print("There is no npm.", file=sys.stderr)
        return False
    command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--fetch-retries=1"]
    try:
        with telling("Fetching what runs in the browser from npm"):
            return subprocess.run(command, cwd=lock.parent, check=False, timeout=NPM_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        print(f"npm did not answer within {NPM_SECONDS} seconds.", file=sys.stderr)
        return False


if __name__ == "__main__":
    sys.exit(main())
