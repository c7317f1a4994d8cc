"""The search across recordings follows every change of the lines, and finds the same with its index as without."""

from __future__ import annotations

import pytest

from activity import text_index
from sessions_app.gateway.recordings.filters import line_search
from sessions_app.gateway.recordings.models import RecordingText
from tests.support.recordings import make_recording

pytestmark = pytest.mark.django_db


def texts(words: str) -> list[str]:
    return [line.text for line in line_search(words).applied(RecordingText.objects.order_by("pk"))]


def test_the_index_follows_lines_that_come_change_and_go() -> None:
    recording = make_recording(None, (1.0, "a needle here\r\n"))
    assert texts("needle") == ["a needle here"]
    RecordingText.objects.filter(recording=recording).update(text="a thread here")
    assert texts("needle") == []
    assert texts("thread") == ["a thread here"]
    RecordingText.objects.filter(recording=recording).delete()
    assert texts("thread") == []


@pytest.mark.parametrize("words", ["he", "needle", "NEEDLE", "a-b", "café", "needle here"])
def test_without_the_index_the_search_finds_the_same(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_recording(None, (1.0, "a needle here, a-b, CAFE\u0301\r\n"))
    with_index = texts(words)
    monkeypatch.setattr(text_index, "is_ready", lambda index, database="default": False)
    assert texts(words) == with_index
    assert len(with_index) == 1
