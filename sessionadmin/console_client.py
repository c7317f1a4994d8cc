"""The console as `sessionadmin ssh` uses it: by HTTP, like a browser, with a login, a second factor and a logout."""

from __future__ import annotations

import contextlib
import getpass
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urlsplit

import requests

ANSWER_SECONDS = 20  # for each answer of the console
LOGIN, LOGOUT = "/accounts/login/", "/accounts/logout/"
SECOND_STEP, SETTING_UP = "/accounts/2fa/authenticate/", "/accounts/2fa/"
SINGLE_SIGN_ON = "/accounts/sso/"
TRIES = 3  # of a code
INSTEAD = (
    "Log in with a browser: the page of your session has a one-time password, for ssh through the gateway, and a "
    "certificate."
)


class Problem(Exception):
    """Says why ssh was not started. The text is for the person."""


class Client:
    """The console as a browser with cookies sees it. Redirects are not followed."""

    def __init__(self, console: str) -> None:
        self._console = console
        self._http = requests.Session()
        self._http.headers["User-Agent"] = "sessionadmin-ssh"

    def get(self, path: str) -> requests.Response:
        return self._http.get(self._console + path, timeout=ANSWER_SECONDS, allow_redirects=False)

    def post(self, path: str, fields: dict[str, str]) -> requests.Response:
        """Send a form, with the CSRF token that the console gave as a cookie."""
        tokens = [cookie.value for cookie in self._http.cookies if cookie.name.endswith("csrftoken")]
        headers = {"X-CSRFToken": tokens[0] or "" if tokens else "", "Referer": self._console + path}
        return self._http.post(
            self._console + path, data=fields, headers=headers, timeout=ANSWER_SECONDS, allow_redirects=False
        )


@contextlib.contextmanager
def logged_in(console: str, user: str, password: str) -> Iterator[Client]:
    """Return a client that is logged in until the block ends. Raises Problem with what the console said instead."""
    client = Client(console)
    page = client.get(LOGIN)
    if page.status_code != 200:
        reason = words(page) or f"It answered with status {page.status_code}. Is it the console's address?"
        raise Problem(f"{console} shows no login page. {reason}")
    answer = client.post(LOGIN, {"username": user, "password": password})
    if answer.status_code != 302:
        reason = words(answer) or f"It answered with status {answer.status_code}."
        instead = f" If you log in by single sign-on: {INSTEAD}" if SINGLE_SIGN_ON in page.text else ""
        raise Problem(f"{console} did not let you in. {reason}{instead}")
    if _leads_to(answer) == SECOND_STEP:
        _give_second_factor(client)
    try:
        yield client
    finally:
        if doubt := _log_out(client):
            sys.stderr.write(f"sessionadmin ssh: You may still be logged in at {console}: {doubt}\n")


def _give_second_factor(client: Client) -> None:
    """Ask the person for a code and send it. Raise Problem if the person has no app, or after the last wrong code."""
    page = client.get(SECOND_STEP)
    if 'name="code"' not in page.text:
        raise Problem(
            words(page) or f"The console asks for your security key or passkey, which only a browser can use. {INSTEAD}"
        )
    for tries_left in reversed(range(TRIES)):
        code = getpass.getpass("Code of your authenticator app, or a recovery code: ")
        answer = client.post(SECOND_STEP, {"code": code})
        if answer.status_code == 302:
            if _leads_to(answer) == LOGIN:
                raise Problem("The login took too long, or the account was changed meanwhile. Begin anew.")
            return
        reason = words(answer) or f"It answered with status {answer.status_code}."
        if not tries_left or answer.status_code >= 400:
            raise Problem(f"The console did not let you in. {reason}")
        sys.stderr.write(f"{reason}\n")


def is_setting_up(answer: requests.Response) -> bool:
    """Return whether the console lets this login do nothing but set up a second factor."""
    return answer.status_code in (302, 403) and _leads_to(answer).startswith(SETTING_UP)


def _leads_to(answer: requests.Response) -> str:
    """Return the path that an answer redirects to; an empty string if it does not."""
    return urlsplit(answer.headers.get("Location", "")).path


def _log_out(client: Client) -> str:
    """Log out. Return why that may have failed; empty when it succeeded."""
    try:
        answer = client.post(LOGOUT, {})
    except requests.RequestException as error:
        return plain(error)
    return "" if answer.status_code < 400 else words(answer) or f"It answered with status {answer.status_code}."


def words(answer: requests.Response) -> str:
    """Return what a page says about a problem; empty when it says nothing."""
    return " ".join(_Problems.of(answer.text))


class _Problems(HTMLParser):
    """The problems that a page shows: beside a form, or heading and text of an error page without its link."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_inside = False
        self._is_error_page = False

    @classmethod
    def of(cls, page: str) -> list[str]:
        parser = cls()
        parser.feed(page)
        return [text for text in (" ".join(part.split()) for part in parser.found) if text]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        is_problem = "problem" in (dict(attrs).get("class") or "").split()
        self._is_error_page = self._is_error_page or (is_problem and tag == "div")
        if (is_problem and tag == "p") or (self._is_error_page and tag in ("h1", "p")):
            self._is_inside = True
            self.found.append("")
        elif tag == "a" and self._is_error_page:
            self._is_inside = False

    def handle_endtag(self, tag: str) -> None:
        if tag == "h1" and self._is_inside:
            self.found[-1] = f"{self.found[-1].strip()}."
        self._is_inside = self._is_inside and tag not in ("p", "h1")
        self._is_error_page = self._is_error_page and tag != "div"

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.found[-1] += data


def plain(error: requests.RequestException) -> str:
    """Return the reason of a failed request in a few words."""
    if isinstance(error, requests.exceptions.SSLError):
        return "The console's certificate is not trusted (REQUESTS_CA_BUNDLE names an authority of your own)."
    if isinstance(error, requests.Timeout):
        return f"The console did not answer within {ANSWER_SECONDS} seconds."
    if isinstance(error, requests.ConnectionError):
        return "The console cannot be reached. Check its address."
    return f"The console cannot be asked: {type(error).__name__}."
