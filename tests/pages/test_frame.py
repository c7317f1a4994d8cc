"""The frame of every page: its files, its links and its mark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.test import Client
from django.utils import formats, timezone

from sessions_app.pages import health_dot
from sessions_app.pages.health_dot import dot
from sessions_app.templatetags.console_tags import head_files
from sessions_app.worker.health import checks, findings
from tests.support import builders
from tests.support.pages import attribute, elements, parsed, text

AsUser = Callable[[User], Client]
STATIC = Path(__file__).resolve().parents[2] / "static"


@pytest.fixture(autouse=True)
def unknown_health() -> Iterator[None]:
    """Let nobody know what is wrong, before and after each test: a process keeps it."""
    dot.forget()
    yield
    dot.forget()


@pytest.fixture
def without_vendor(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """Return the empty STATIC_ROOT of a production console into whose static/vendor npm brought nothing."""
    ours = tmp_path / "static"
    ours.mkdir()
    for file in STATIC.iterdir():
        if file.name != "vendor":
            (ours / file.name).symlink_to(file)
    settings.STATICFILES_DIRS = [ours]
    settings.STATIC_ROOT = tmp_path / "collected"
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
    }
    head_files.cache_clear()
    yield settings.STATIC_ROOT
    head_files.cache_clear()


def sheets(html: str) -> list[str]:
    return [attribute(link, "href") for link in parsed(html).findall(".//link[@rel='stylesheet']")]


@pytest.mark.django_db  # the login page reads how people may sign in
def test_every_style_sheet_of_a_page_exists_and_the_tokens_come_before_those_that_use_them(client: Client) -> None:
    head_files.cache_clear()
    names = [Path(url).name for url in sheets(client.get("/accounts/login/").content.decode())]
    assert all(finders.find(name) or finders.find(f"vendor/{name}") for name in names)
    assert names.index("tokens.css") < names.index("console.css")


@pytest.mark.django_db
def test_without_the_typeface_pages_and_collectstatic_do_without_it(without_vendor: Path, client: Client) -> None:
    call_command("collectstatic", interactive=False, verbosity=0)
    assert staticfiles_storage.url("tokens.css") != "/static/tokens.css"  # under a name with a hash
    page = client.get("/accounts/login/").content.decode()
    assert len(sheets(page)) > 5
    assert "inter" not in page
    assert 'as="font"' not in page


ALICES = [
    ("", ["Overview"]),
    ("Work", ["Sessions", "Approvals", "Request session"]),
    ("Watch", ["Session Information", "Recordings", "Activity log"]),
    ("Policy", ["Resources"]),
]


def groups(client: Client, path: str = "/accounts/me/") -> list[tuple[str, list[str]]]:
    """Return the title and the links of each group of the navigation."""
    menu = elements(client.get(path)).find(".//nav[@id='main-links']")
    assert menu is not None
    titles = {attribute(title, "id"): text(title) for title in menu.findall("p")}
    return [
        (titles.get(group.get("aria-labelledby", ""), ""), [text(link) for link in group.findall(".//a")])
        for group in menu.findall("ul")
    ]


def current(client: Client, path: str) -> list[tuple[str, str]]:
    menu = elements(client.get(path)).find(".//nav[@id='main-links']")
    assert menu is not None
    return [(text(link), attribute(link, "aria-current")) for link in menu.findall(".//a[@aria-current]")]


def test_each_role_has_the_links_that_it_may_follow(as_user: AsUser, alice: User, auditor: User, admin: User) -> None:
    assert groups(as_user(alice)) == ALICES
    seen = dict(groups(as_user(auditor)))
    assert "Request session" not in seen["Work"]
    assert "Health" not in seen["Watch"]
    assert seen["People"] == ["Users", "Groups", "Applications"]
    assert seen["Configuration"] == ["Evidence"]
    seen = dict(groups(as_user(admin)))
    assert "Health" in seen["Watch"]
    assert "Access policies" in seen["Policy"]
    assert seen["Configuration"] == [
        "Sign-in settings",
        "Evidence",
        "SCIM tokens",
        "SIEM destinations",
        "Administration",
    ]


@pytest.mark.parametrize("who", ["alice", "auditor", "admin"])
def test_every_link_beside_a_page_leads_somewhere(request: pytest.FixtureRequest, as_user: AsUser, who: str) -> None:
    client = as_user(request.getfixturevalue(who))
    links = elements(client.get("/accounts/me/")).findall(".//nav[@id='main-links']//a")
    answers = {attribute(link, "href"): client.get(attribute(link, "href"), follow=True).status_code for link in links}
    assert {url: status for url, status in answers.items() if status != 200} == {}


def test_the_page_and_what_lies_below_it_are_marked(as_user: AsUser, admin: User) -> None:
    client, session = as_user(admin), builders.make_session()
    assert current(client, "/sessions/") == [("Sessions", "page")]
    assert current(client, f"/sessions/{session.pk}/") == [("Sessions", "true")]
    assert current(client, "/approvals/") == [("Approvals", "page")]


def test_the_links_cost_one_query_and_fragments_have_none(
    as_user: AsUser, admin: User, django_assert_num_queries: Any
) -> None:
    client = as_user(admin)
    part = client.get("/sessions/", headers={"HX-Request": "true"}).content.decode()
    assert "main-links" not in part
    dot.look()
    client.get("/accounts/password/")
    with django_assert_num_queries(5):  # the login, the two of the role, the count of approvals, and the favourites
        client.get("/accounts/password/")


def stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CHECKS", (lambda: findings.error("Sessions", "One is stuck.", "Look at it."),))


def test_an_administrator_sees_a_dot_where_something_is_wrong_and_is_told_what(
    as_user: AsUser, admin: User, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    dot.forget()
    stuck(monkeypatch)
    for_admin, for_alice = as_user(admin), as_user(alice)
    path = ".//*[@id='health-dot']/span"
    assert elements(for_admin.get("/sessions/")).find(path) is None  # nobody has looked yet
    news = parsed(for_admin.get("/alive/").content.decode())
    assert attribute(news.find(".//*[@id='health-dot']"), "hx-swap-oob") == "true"
    assert attribute(elements(for_admin.get("/sessions/")).find(path), "aria-label") == "Wrong: Sessions"
    assert "Wrong" not in for_alice.get("/alive/").content.decode()
    assert "health-dot" not in for_alice.get("/sessions/").content.decode()


def test_what_has_not_changed_is_not_sent_again_and_the_checks_run_once_in_a_minute(
    as_user: AsUser, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    dot.forget()
    client = as_user(admin)
    first = client.get("/alive/")
    assert client.get("/alive/", headers={"If-None-Match": first["ETag"]}).status_code == 304
    stuck(monkeypatch)
    assert client.get("/alive/", headers={"If-None-Match": first["ETag"]}).status_code == 304
    monkeypatch.setattr(health_dot, "EVERY_SECONDS", 0.0)
    assert client.get("/alive/", headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_the_administration_has_our_links_our_theme_and_our_dates(as_user: AsUser, admin: User) -> None:
    client = as_user(admin)
    client.cookies["theme"] = "dark"
    client.cookies["timezone"] = "Europe/Zurich"
    assert groups(client, "/admin/") == groups(client)
    assert current(client, "/admin/auth/user/") == [("Administration", "true")]
    page = elements(client.get(f"/admin/auth/user/{admin.pk}/change/"))
    assert "theme-dark" in attribute(page.find(".//body"), "class").split()
    admin.refresh_from_db()
    with timezone.override("Europe/Zurich"):
        written = timezone.localtime(builders.make_login(admin).created_at)
    assert formats.date_format(written, "DATETIME_FORMAT") == f"{written:%Y-%m-%d %H:%M:%S}"
    sheets_of_page = [Path(attribute(link, "href")).name for link in page.findall(".//link[@rel='stylesheet']")]
    assert sheets_of_page[-1] == "admin.css"  # after all of Django's
    assert "dark_mode.css" not in sheets_of_page


def test_only_a_trial_has_the_style_guide(as_user: AsUser, admin: User, settings: Any) -> None:
    assert as_user(admin).get("/styleguide/").status_code == 200
    settings.IS_TRIAL = False
    assert as_user(admin).get("/styleguide/").status_code == 404
