"""Takes a picture of every page of a running console: light and dark, wide and narrow, into var/screenshots/.

    make run                                             # in one terminal
    .venv/bin/python scripts/screenshots.py              # in another; or with paths: /sessions/ /logins/?state=all
    .venv/bin/python scripts/screenshots.py --axe        # also check the pages with axe-core (npm ci brings it)

Logs in as one of the sample accounts. Says what the browser complained about: errors, breaches of the content security
policy, pages that scroll sideways, what axe-core found. The exit code is 1 when there was anything.
"""

import argparse
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, StorageState, ViewportSize, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
VAR = Path(os.environ.get("VAR_DIR", ROOT / "var"))
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
WIDTHS: dict[str, ViewportSize] = {
    "wide": {"width": 1440, "height": 900},
    "narrow": {"width": 400, "height": 800},
    "tablet": {"width": 768, "height": 1024},
    "widest": {"width": 1920, "height": 1080},
}
PAGES = [
    "/",
    "/approvals/",
    "/sessions/",
    "/sessions/?tab=scheduled",
    "/sessions/?tab=historical",
    "/sessions/?q=nothing-matches-this",
    "/sessions/?sort=nonsense",
    "/sessions/1/",
    "/sessions/1/connections/",
    "/sessions/1/recordings/",
    "/sessions/1/log/",
    "/sessions/request/",
    "/recordings/",
    "/recordings/?q=web-1.crt",
    "/recordings/2/",
    "/recordings/2/?find=openssl&t=2150",
    "/logins/",
    "/logins/?state=all",
    "/logins/map/",
    "/activity/",
    "/activity/1/",
    "/activity/summary/",
    "/activity/chart/",
    "/accounts/me/",
    "/accounts/password/",
    "/accounts/keys/add/",
    "/settings/",
    "/health/",
    "/users/",
    "/users/add/",
    "/users/1/",
    "/users/1/?tab=rights",
    "/users/1/change/",
    "/users/1/password/",
    "/groups/",
    "/groups/add/",
    "/groups/1/",
    "/groups/1/delete/",
    "/applications/",
    "/applications/add/",
    "/applications/1/",
    "/applications/1/?tab=rights",
    "/resources/",
    "/resources/add/",
    "/resources/add-many/",
    "/resources/1/",
    "/resources/1/change/",
    "/resources/1/delete/",
    "/activities/",
    "/activities/add/",
    "/activities/1/",
    "/profiles/",
    "/profiles/add/",
    "/profiles/1/",
    "/profiles/1/change/",
    "/policies/",
    "/policies/add/",
    "/policies/1/",
    "/policies/1/change/",
    "/policies/1/delete/",
    "/try/",
    "/secrets/",
    "/secrets/add/",
    "/service-keys/",
    "/service-keys/add/",
    "/help/",
    "/help/hosts/",
    "/jump/",
    "/jump/?q=web",
    "/keys/",
    "/styleguide/",
    "/nowhere/",
    "/admin/",
    "/admin/sessions_app/accesspolicy/",
    "/admin/sessions_app/connectionprofile/1/change/",
]


def main() -> int:
    """Visit the pages and take pictures. Return 1 when a browser complained."""
    arguments = read_arguments()
    arguments.into.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=FLAGS)
        login = log_in(browser, arguments)
        for theme in arguments.themes:
            for width in arguments.widths:
                complaints += visit(browser, arguments, login, theme, width)
        browser.close()
    print("\n".join(sorted(set(complaints))) or "No browser complained.")
    print(f"The pictures are in {arguments.into}")
    return 1 if complaints else 0


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=PAGES, help="pages to visit (default: all)")
    parser.add_argument("--address", default="http://127.0.0.1:8000")
    parser.add_argument("--user", default="admin", help="a sample account (default: admin); empty: a stranger")
    parser.add_argument("--into", type=Path, default=VAR / "screenshots")
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--themes", nargs="+", choices=["light", "dark"], default=["light", "dark"])
    parser.add_argument("--widths", nargs="+", choices=list(WIDTHS), default=["wide", "narrow"])
    parser.add_argument("--axe", action="store_true", help="check each page with axe-core too")
    return parser.parse_args()


def log_in(browser: Browser, arguments: argparse.Namespace) -> StorageState | None:
    """Return the login of the sample account, whose password is in var/sample_accounts.txt; None for a stranger."""
    if not arguments.user:
        return None
    accounts = dict(line.split()[1:3] for line in (VAR / "sample_accounts.txt").read_text().splitlines())
    page = browser.new_page(base_url=arguments.address)
    page.goto("/accounts/login/")
    page.fill("[name=username]", arguments.user)
    page.fill("[name=password]", accounts[arguments.user])
    page.click("main button[type=submit]")
    page.wait_for_url(lambda address: "/accounts/login/" not in address)
    login = page.context.storage_state()
    page.context.close()
    return login


def visit(
    browser: Browser,
    arguments: argparse.Namespace,
    login: StorageState | None,
    theme: Literal["light", "dark"],
    width: str,
) -> list[str]:
    """Take a picture of each page in this theme and width. Return what the browser complained about."""
    context = browser.new_context(
        base_url=arguments.address, viewport=WIDTHS[width], color_scheme=theme, storage_state=login
    )
    page = context.new_page()
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(f"uncaught: {error}"))
    page.on("console", lambda message: found.append(message.text) if is_complaint(message.type, message.text) else None)
    complaints = []
    for path in arguments.paths:
        response = page.goto(path)
        if response is not None and response.status >= 500:
            found.append(f"status {response.status}")
        page.wait_for_timeout(150)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append("scrolls sideways")
        if arguments.axe and not path.startswith("/admin/"):
            found += axe(page)
        page.screenshot(path=arguments.into / f"{file_name(path)}-{theme}-{width}.png")
        complaints += [f"{path} ({theme}, {width}): {text}" for text in found]
        found.clear()
    context.close()
    return complaints


def is_complaint(kind: str, text: str) -> bool:
    """Return whether a message of the console counts.

    Errors do, but not that a page answers 400 or 404, as some of ours must.
    """
    return kind == "error" and "Failed to load resource" not in text


def axe(page: Page) -> list[str]:
    """Return every breach of WCAG 2.2 AA that axe-core finds."""
    page.evaluate(AXE.read_text())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    result = page.evaluate("tags => axe.run({runOnly: tags})", tags)
    return [
        f"axe {rule['id']}: {rule['help']}: {node['html'][:160]}"
        for rule in result["violations"]
        for node in rule["nodes"][:3]
    ]


def file_name(path: str) -> str:
    """Return the path as a file name."""
    return re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-") or "home"


if __name__ == "__main__":
    sys.exit(main())
