"""A report on paper: Chromium prints it on A4, without navigation, with every column, and a sheet for each person."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessions_app.reports.every_report import REPORTS
from tests.support import builders
from tests.support.reports import fill_reports

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenAs = Callable[..., Page]

WITHIN_MARGINS = {"width": 1047, "height": 700}  # CSS pixels of A4 across, without its margins
# What is wider than its cell would be cut, or lie over the next one.
CUT = """() => [...document.querySelectorAll(".report-table :is(th, td)")]
    .filter(cell => cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.textContent)"""


def test_a_report_on_paper_has_all_columns_and_a_sheet_for_each_person(
    open_as: OpenAs, auditor: User, alice: User, outsider: User
) -> None:
    host = builders.make_resource("a-very-long-name-that-no-column-was-made-for-" * 2)
    builders.make_policy("Linux work", users=[alice, outsider], resources=[host])
    page = open_as(auditor, "/reports/rights/?paper=1", viewport=WITHIN_MARGINS)
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    expect(page.get_by_role("link", name="Back to the report")).to_be_hidden()
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.report-table thead')).display") == "table-header-group"
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(CUT) == []
    paper = page.pdf(prefer_css_page_size=True)
    sizes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper)
    assert {(round(float(wide) / 72 * 25.4), round(float(high) / 72 * 25.4)) for wide, high in sizes} == {(297, 210)}
    assert len(sizes) == 2


def test_every_column_of_each_report_has_room_on_paper(
    open_as: OpenAs, auditor: User, alice: User, approver: User
) -> None:
    fill_reports(alice, approver, "a-very-long-name-that-no-column-was-made-for")
    page = open_as(auditor, "/reports/", viewport=WITHIN_MARGINS)
    page.emulate_media(media="print")
    for slug, report in REPORTS.items():
        page.goto(
            f"/reports/{slug}/?paper=1"
            + ("&period=custom&since=2020-01-01&until=2100-01-01" if report.has_period else "")
        )
        expect(page.locator(".report-table tbody tr").first).to_be_visible()
        assert (slug, page.evaluate(CUT)) == (slug, [])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), slug
