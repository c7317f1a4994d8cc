"""The documents of the repository are read at /help/, with their links, and found by their words."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.template import Context, Template
from django.test import Client

from sessions_app.help import documents
from sessions_app.help.markdown import render_document
from tests.support import pages

AsUser = Callable[[User], Client]
ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r'(?:docs/|help_link ")([a-z/-]+)(?:\.md#?|" ")([\w-]*)')
OF_A_FORM = re.compile(r'^    help = \("([a-z/-]+)", "([\w-]+)", "[^"]+"\)$', re.MULTILINE)

FORMS = {
    "/resources/add/": ("hosts", "prepare-a-host-in-five-minutes"),
    "/activities/add/": ("hosts", "what-an-activity-does"),
    "/profiles/add/": ("lifecycle", "write-a-connection-profile"),
    "/policies/add/": ("lifecycle", "write-an-access-policy"),
    "/users/add/": ("how-to/people", "add-a-person"),
    "/groups/add/": ("how-to/people", "groups"),
    "/applications/add/": ("how-to/people", "applications"),
    "/secrets/add/": ("vault", "set-one-up"),
    "/sign-in/": ("sign-in", "login-rules"),
    "/siem/add/": ("evidence", "to-the-siem"),
    "/service-keys/add/": ("how-to/keys", "stored-service-key"),
}


@pytest.fixture
def reader(as_user: AsUser, alice: User) -> Client:
    return as_user(alice)


def test_a_stranger_is_asked_to_log_in(client: Client, db: None) -> None:
    for path in ("/help/", "/help/hosts/", "/help/images/session.png"):
        assert client.get(path)["Location"].startswith("/accounts/login/")


def test_every_document_is_shown_and_every_link_in_it_leads_somewhere(reader: Client) -> None:
    anchors: dict[str, set[str]] = {}
    links: list[tuple[str, str]] = []
    for name, document in documents.documents().items():
        url = document.get_absolute_url()
        tree = pages.elements(reader.get(url))
        anchors[url] = {str(each.get("id")) for each in tree.iter() if each.get("id")}
        text = next(each for each in tree.iter("article"))
        links += [(name, str(link.get("href"))) for link in text.iter("a")]
        links += [(name, str(image.get("src"))) for image in text.iter("img")]
        assert not [each for each in text.iter() if each.get("style")], name
    inside = [(name, link) for name, link in links if not link.startswith("http")]
    assert len(inside) > 200
    for name, link in inside:
        address, _, anchor = link.partition("#")
        address = address or documents.documents()[name].get_absolute_url()
        if address.endswith(".png"):
            assert reader.get(address)["Content-Type"] == "image/png"
        else:
            assert address in anchors, f"{name}: {link}"
            assert not anchor or anchor in anchors[address], f"{name}: {link}"


def test_the_index_lists_the_decisions(reader: Client) -> None:
    links = [str(link.get("href")) for link in pages.elements(reader.get("/help/")).iter("a")]
    decisions = [one.get_absolute_url() for name, one in documents.documents().items() if name.startswith("decisions/")]
    assert len(decisions) >= 19
    assert set(decisions) <= set(links)


@pytest.mark.parametrize("path", ["/help/nowhere/", "/help/../sessionadmin/settings/base/", "/help/images/x.png"])
def test_nothing_but_the_documents_can_be_asked_for(reader: Client, path: str) -> None:
    assert reader.get(path).status_code == 404


def test_the_search_finds_sections_that_have_all_words(reader: Client) -> None:
    found = pages.elements(reader.get("/help/", {"q": "certificate authority trust"}))
    assert "/help/ssh-ca/" in " ".join(str(link.get("href")) for link in found.iter("a"))
    fragment = reader.get("/help/", {"q": "GATEWAY"}, headers={"HX-Request": "true"})
    assert "<html" not in fragment.content.decode()
    assert "HX-Request" in fragment["Vary"]
    assert len(documents.search("gateway")) == documents.MOST_RESULTS
    nothing = reader.get("/help/", {"q": "<b>zebra</b>"})
    assert "No section has “&lt;b&gt;zebra&lt;/b&gt;”" in nothing.content.decode()


def test_words_of_a_heading_come_first() -> None:
    first = documents.search("retention")[0].section
    assert "retention" in first.heading.text.lower()


def test_raw_html_links_to_scripts_and_styles_do_not_pass() -> None:
    text = "# A\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) [file](../manage.py)\n\n| a |\n|--:|\n| b |\n"
    html = render_document(text, lambda target: None).html
    assert "<script" not in html
    assert "javascript:" not in "".join(re.findall(r'href="[^"]*"', html))
    assert "style=" not in html
    assert 'class="number"' in html
    assert "<a" not in html


def test_headings_of_one_name_have_anchors_of_their_own() -> None:
    headings = render_document(
        "# One\n## Limits\n## Limits\n## What `sudo` may, and not?\n", lambda target: None
    ).headings
    assert [heading.anchor for heading in headings] == ["one", "limits", "limits-1", "what-sudo-may-and-not"]


def test_a_message_that_names_a_document_leads_to_the_paragraph() -> None:
    shown = Template("{% load help_tags %}{{ text|with_help_links }}").render(
        Context({"text": "Wrong <b>. See docs/how-to/upgrade.md#roll-back."})
    )
    assert shown == 'Wrong &lt;b&gt;. See <a href="/help/how-to/upgrade/#roll-back">the help on roll back</a>.'


def hints(code: str) -> list[tuple[str, str]]:
    """Return document and anchor of each call of help_hint()."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    found = [call.args for call in calls if ast.unparse(call.func) == "help_hint"]
    return [(ast.literal_eval(document), ast.literal_eval(anchor)) for _, document, anchor, _ in found]


def test_an_empty_list_leads_to_the_paragraph_on_what_goes_there(as_user: AsUser, admin: User) -> None:
    for path, address in (
        ("/resources/", "/help/hosts/#prepare-a-host-in-five-minutes"),
        ("/policies/", "/help/lifecycle/#write-an-access-policy"),
        ("/sessions/", "/help/lifecycle/#a-request"),
        ("/recordings/", "/help/recordings/#what-is-kept"),
        ("/secrets/", "/help/vault/#set-one-up"),
    ):
        shown = pages.elements(as_user(admin).get(path)).find(".//*[@class='empty']")
        assert shown is not None, path
        assert address in [link.get("href") for link in shown.iter("a")], path


def test_every_paragraph_that_code_and_templates_name_exists() -> None:
    known = {
        name: {heading.anchor for heading in document.rendered.headings}
        for name, document in documents.documents().items()
    }
    files = [
        path
        for folder in ("sessions_app", "activity", "sessionadmin", "templates")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".html")
    ]
    named = [
        (path.name, *found)
        for path in files
        for pattern in (NAMED, OF_A_FORM)
        for found in pattern.findall(path.read_text())
    ]
    named += [(path.name, *found) for path in files if path.suffix == ".py" for found in hints(path.read_text())]
    assert len(named) > 30
    for file, document, anchor in named:
        assert document in known, f"{file}: {document}"
        assert not anchor or anchor in known[document], f"{file}: {document}#{anchor}"


@pytest.mark.parametrize("path", sorted(FORMS))
def test_each_form_of_the_configuration_leads_to_its_paragraph(as_user: AsUser, admin: User, path: str) -> None:
    document, anchor = FORMS[path]
    links = [link for link in pages.elements(as_user(admin).get(path)).iter("a") if link.get("class") == "help-link"]
    assert [link.get("href") for link in links] == [f"/help/{document}/#{anchor}"]


def test_a_form_that_is_refused_leads_to_each_field_that_is_marked(as_user: AsUser, admin: User) -> None:
    page = pages.elements(as_user(admin).post("/profiles/add/", {"name": "A", "maximum_duration": "90", "tiers": "0"}))
    targets = [str(link.get("href")) for link in page.iter("a") if str(link.get("href")).startswith("#field-")]
    assert "#field-maximum_duration" in targets
    assert {target[1:] for target in targets} <= {str(each.get("id")) for each in page.iter("div")}
