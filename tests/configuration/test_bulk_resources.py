"""Several resources at once from pasted lines: a preview, every line validated, all or none."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import Resource
from tests.support.administration import said
from tests.support.builders import make_resource

PATH = "/resources/add-many/"
LINES = "web-1\tweb-1.example.com\t2222\tops\tPublic, and old\n\nweb-2, 192.0.2.7\nweb-3"


def form(**changes: Any) -> dict[str, Any]:
    return {"platform": "linux", "connector": "ssh", "service_account": "sessionadmin", "lines": LINES} | changes


def test_lines_are_previewed_and_then_added_and_logged(boss: Client) -> None:
    preview = said(boss.post(PATH, form(preview="1")))
    assert "3 would be added" in preview
    assert "<td>2222</td>" in preview
    assert not Resource.objects.exists()
    page = boss.post(PATH, form(), follow=True)
    assert page.redirect_chain == [("/resources/", 302)]
    assert "Added 3 resources." in said(page)
    rows = Resource.objects.order_by("name").values_list("name", "address", "port", "service_account", "description")
    assert list(rows) == [
        ("web-1", "web-1.example.com", 2222, "ops", "Public, and old"),
        ("web-2", "192.0.2.7", 22, "sessionadmin", ""),
        ("web-3", "web-3", 22, "sessionadmin", ""),
    ]
    assert LogEntry.objects.filter(verb=Verb.RECORD_ADDED, target_type="sessions_app.resource").count() == 3


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("good\nweb-9", "Line 2: The name “web-9” is taken already."),
        ("twice\n\ntwice", "Line 3: The name “twice” is taken already."),
        ("web-1,a,ssh", "Line 1: Port: “ssh” value must be an integer."),
        ("web-1,a,99999", "Line 1: Port: Ensure this value is less than or equal to 65535."),
        ("web-1,a,22,Root!", "Line 1: Service account: This cannot be the name of an account"),
        ("x" * 200, "Line 1: Name: Ensure this value has at most 120 characters"),
        (",a", "Line 1: Name: This field cannot be blank."),
        ("\n".join(f"h{number}" for number in range(501)), "These are 501 lines; at most 500 are read at once."),
        ("", "This field is required."),
    ],
)
def test_one_wrong_line_keeps_all_from_being_added(boss: Client, lines: str, problem: str) -> None:
    make_resource("web-9")
    response = boss.post(PATH, form(lines=lines))
    assert response.status_code == 422
    assert problem in said(response)
    assert Resource.objects.count() == 1


def test_practice_hosts_have_no_service_account(boss: Client, settings: Any) -> None:
    assert boss.post(PATH, form(connector="practice", lines="web-1")).status_code == 302
    assert Resource.objects.get().service_account == ""
    settings.IS_TRIAL = False
    assert boss.post(PATH, form(connector="practice", lines="web-2")).status_code == 422


def test_practice_wears_a_badge(boss: Client) -> None:
    practice, real = make_resource("web-1"), make_resource("web-2", connector="ssh")
    page = said(boss.get("/resources/"))
    assert page.count(">Practice</b>") == 1
    assert ">Practice</b>" in said(boss.get(f"/resources/{practice.pk}/"))
    assert ">Practice</b>" not in said(boss.get(f"/resources/{real.pk}/"))
