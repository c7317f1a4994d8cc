"""Words are found through an index, in every order and on every page, and nothing reads a whole table for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from activity import text_index
from activity.listing import text_search_page
from activity.models import LOG_WORDS, LogEntry, PruneRequest
from activity.verbs import Verb
from sessions_app.gateway.recordings.models import LINE_WORDS, RecordingText
from sessions_app.logins.models import LOGIN_WORDS, LoginSession
from sessions_app.privileged.models import SESSION_WORDS, PrivilegedSession, Status
from sessions_app.worker.health.search import search
from tests.support.builders import make_login, make_session, make_user
from tests.support.entries import ago, make_entry, messages, problem, search_for
from tests.support.query_plans import explained

pytestmark = pytest.mark.django_db
AsUser = Callable[[User], Client]
MODELS = {LOG_WORDS: LogEntry, SESSION_WORDS: PrivilegedSession, LOGIN_WORDS: LoginSession, LINE_WORDS: RecordingText}


@pytest.fixture
def log(as_user: AsUser, auditor: User) -> Callable[..., Any]:
    """Return a function that requests the log of a year."""
    client = as_user(auditor)
    return lambda **parameters: client.get("/activity/", {"period": "1y", **parameters})


@pytest.fixture
def long_list(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Treat lists of more than three rows as too long to be read."""
    for name in ("NEAR", "SHORT", "FAR"):
        monkeypatch.setattr(text_search_page, name, 3)
    return monkeypatch


def found(text: str) -> list[str]:
    """Return the messages that a search finds by the index and the exact condition."""
    entries = search_for(text).applied(LogEntry.objects.order_by("pk"))
    return list(entries.values_list("message", flat=True))


@pytest.mark.parametrize("index", MODELS, ids=lambda index: index.table)
def test_each_long_list_has_its_index(index: text_index.TextIndex) -> None:
    assert text_index.is_ready(index)
    assert text_index.ensure(index)


def pages_of(ask: Callable[..., Any], **parameters: str) -> list[list[str]]:
    """Return every page, read forward. Read them backward too, and check that they are the same."""
    answer = ask(**parameters)
    pages = [messages(answer)]
    while link := re.search(r'after=([^"&]+)"[^>]*id="page-next"', answer.content.decode()):
        answer = ask(**parameters, after=link[1])
        pages.append(messages(answer))
    back = [pages[-1]]
    while link := re.search(r'before=([^"&]+)"[^>]*id="page-previous"', answer.content.decode()):
        answer = ask(**parameters, before=link[1])
        back.insert(0, messages(answer))
    assert back == pages
    return pages


@pytest.mark.parametrize("sort", ["at", "-at", "ip", "-ip"])
@pytest.mark.parametrize("most", [1000, 2])
def test_a_rare_word_is_found_on_every_page_in_every_order(
    log: Callable[..., Any], long_list: pytest.MonkeyPatch, sort: str, most: int
) -> None:
    if most == 1000 or "ip" not in sort:
        long_list.setattr(text_search_page, "MOST_FOUND", most)
    for number in range(260):
        is_hit = number % 2 == 0
        make_entry(
            f"{'needle' if is_hit else 'straw'} {number}",
            ago(minutes=number),
            ip=f"198.51.100.{number % 7}" if number % 3 else None,
        )
    pages = pages_of(log, activity="NEEDLE", sort=sort)
    assert [len(page) for page in pages] == [100, 30]
    everything = [message for page in pages for message in page]
    assert sorted(everything) == sorted(f"needle {number}" for number in range(0, 260, 2))
    if sort == "at":
        assert everything[0] == "needle 258"
    if "ip" in sort:  # what has no address stands last
        assert all(int(message.split()[1]) % 3 == 0 for message in everything[-40:])


def test_a_word_too_short_for_the_index_is_met_or_refused_but_never_looked_for_everywhere(
    log: Callable[..., Any], long_list: pytest.MonkeyPatch
) -> None:
    make_entry("xq far away", ago(days=9))
    for number in range(5):
        make_entry(f"hay {number}", ago(minutes=number))
    assert "three letters or more" in problem(log(activity="xq"))
    assert messages(log(activity="xq far")) == ["xq far away"]
    long_list.setattr(text_search_page, "SHORT", 100)
    assert messages(log(activity="xq")) == ["xq far away"]


def test_a_common_word_is_met_without_looking_it_up(log: Callable[..., Any]) -> None:
    for number in range(120):
        make_entry(f"common {number}", ago(minutes=number))
    with CaptureQueriesContext(connection) as captured:
        assert len(messages(log(activity="common"))) == 100
    assert not [query["sql"] for query in captured.captured_queries if "COUNT(*) OVER" in query["sql"]]


def test_without_an_index_words_are_found_all_the_same(log: Callable[..., Any], long_list: pytest.MonkeyPatch) -> None:
    long_list.setattr(text_index, "is_ready", lambda index, database="default": False)
    make_entry("needle", ago(days=9))
    for number in range(5):
        make_entry(f"hay {number}", ago(minutes=number))
    assert messages(log(activity="needle")) == ["needle"]
    assert messages(log(activity="ne")) == ["needle"]


def test_what_was_done_and_an_address_are_found_through_the_index_too(
    log: Callable[..., Any], long_list: pytest.MonkeyPatch
) -> None:
    make_entry("one", ago(days=9), verb=Verb.ACCOUNT_CUT)
    make_entry("two", ago(days=8), ip="10.2.3.4")
    make_entry("three", ago(days=7), ip="2001:db8::1")
    for number in range(5):
        make_entry(f"hay {number}", ago(minutes=number))
    assert messages(log(activity="account.cut")) == ["one"]
    assert messages(log(activity="10.2.3.4")) == ["two"]
    assert messages(log(activity="2001:DB8:0::1")) == ["three"]


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        ("Привет мир", "привет"),
        ("привет мир", "ПРИВЕТ"),
        ("Zürich café", "zürich"),
        ("Zürich CAFÉ", "café"),
        ("Анна-Мария", "анна-мария"),
        ("Анна-Мария", "АННА-МАРИЯ"),
        ("Анна-Мария", "аННа-мАРИЯ"),
        ("Léa-Élodie", "léa-élodie"),
        ("Léa-Élodie", "LÉA-ÉLODIE"),
        ("Léa-Élodie", "le\u0301a-e\u0301lodie"),
        ("Le\u0301a-E\u0301lodie", "léa-élodie"),
        ("Straße", "STRASSE"),
        ("STRASSE", "straße"),
        ("ΟΔΟΣ Α", "οδος"),
        ("οδός", "ΟΔΌΣ"),
        ("İstanbul", "i\u0307stanbul"),
        ("ﬁle ｗｅｂ", "file"),
        ("ﬁle ｗｅｂ", "web"),
        ("Ångström", "A\u030angstro\u0308m"),
        ("한국어", "\u1112\u1161\u11ab\u1100\u116e\u11a8어"),
        ("登录失败了", "登录失败"),
        ("登录失败了", "录失败"),
        ("ログインしました", "グイン"),
        ('with "quotes" and %s', '"quotes"'),
        ("back\\slash", "k\\sla"),
    ],
)
def test_letters_of_other_scripts_are_found(message: str, asked: str) -> None:
    make_entry(message)
    make_entry("something else entirely")
    assert found(asked) == [message]


# --- the index follows the table


def test_what_a_session_says_now_is_found_and_what_it_said_before_is_not(alice: User) -> None:
    session = make_session(alice, Status.COMPLETE, notes="replace the elephant")
    rows = PrivilegedSession.objects.all()

    def held(word: str) -> bool:
        term = text_index.Term((word,), text_index.held_by(SESSION_WORDS.columns, word))
        return text_index.Search((term,), SESSION_WORDS).applied(rows).filter(pk=session.pk).exists()

    assert held("elephant")
    rows.filter(pk=session.pk).update(notes="replace the giraffe")
    assert held("giraffe")
    assert not held("elephant")


def test_pruning_takes_entries_out_of_the_index() -> None:
    make_entry("mammoth", ago(days=40))
    make_entry("mammoth", ago(days=1))
    with transaction.atomic():
        PruneRequest.objects.create(before=ago(days=30))
    assert found("mammoth") == ["mammoth"]


@pytest.mark.sqlite_only  # which alone loses triggers when a table is built anew
def test_migrate_mends_an_index_that_lost_its_triggers() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {LOG_WORDS.name}_added")
    make_entry("unheard of")
    assert found("unheard") == []
    assert text_index.ensure(LOG_WORDS)
    assert found("unheard") == ["unheard of"]
    make_entry("unheard again")
    assert found("unheard") == ["unheard of", "unheard again"]


def held(group: str, index: text_index.TextIndex = LOG_WORDS) -> tuple[int, int]:
    """Return how many rows wait for the index, and how many in it have these three letters. For SQLite."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {index.name}_waiting")  # noqa: S608 - our own names
        (waiting,) = cursor.fetchone()
        cursor.execute(f"SELECT COUNT(*) FROM {index.name} WHERE {index.name} MATCH %s", [f'"{group}"'])  # noqa: S608
        return waiting, cursor.fetchone()[0]


@pytest.mark.sqlite_only  # PostgreSQL's index has a list of its own for what is new
def test_entries_are_found_before_and_after_they_go_into_the_index_together(monkeypatch: pytest.MonkeyPatch) -> None:
    while held("mam")[0] != text_index.WAITING - 2:
        make_entry("something else")
    make_entry("mammoth", ago(days=40))
    assert held("mam") == (text_index.WAITING - 1, 0)
    assert found("mammoth") == ["mammoth"]
    last = make_entry("another mammoth")
    assert held("mam") == (0, 2)
    assert sorted(found("mammoth")) == ["another mammoth", "mammoth"]
    make_entry("the third mammoth", ago(days=40))
    PruneRequest.objects.create(before=ago(days=30))  # one in the index, one that waits
    assert held("mam") == (1, 1)  # the entry that says so waits
    assert found("mammoth") == ["another mammoth"]
    assert last.pk


def test_an_index_of_an_older_version_is_made_anew(long_list: pytest.MonkeyPatch) -> None:
    """One that folded in another way would not hold what is looked for in it."""
    name, table = LOG_WORDS.name, LOG_WORDS.table
    make_entry("Größe")
    connection.check_constraints()  # PostgreSQL indexes no table whose rows are still to be checked
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"DROP TRIGGER {name}_added")
            cursor.execute(f"CREATE TRIGGER {name}_added AFTER INSERT ON {table} BEGIN SELECT NEW.id; END")
        else:
            cursor.execute(f"DROP INDEX {name}")
            cursor.execute(f"CREATE INDEX {name} ON {table} USING gin (UPPER(message) gin_trgm_ops)")
    make_entry("GRO\u0308SSE")
    connection.check_constraints()  # PostgreSQL indexes no table whose rows are still to be checked
    assert text_index.ensure(LOG_WORDS)
    assert found("größe") == ["Größe", "GRO\u0308SSE"]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_indexdef(%s::regclass)", [name])
            assert "activity_fold" in cursor.fetchone()[0]


# --- and is used


@pytest.mark.parametrize("index", MODELS, ids=lambda index: index.table)
def test_the_look_up_asks_the_index(index: text_index.TextIndex) -> None:
    model: Any = MODELS[index]
    term = text_index.Term(("needle",), text_index.held_by(index.columns, "needle"))
    rows = text_index.Search((term,), index).applied(model._default_manager.all()).order_by()
    with CaptureQueriesContext(connection) as captured:
        list(rows)
    sql = captured.captured_queries[0]["sql"]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert f"Bitmap Index Scan on {index.name}" in plan
    else:
        plan = explained(sql)
        assert f"SCAN {index.name} VIRTUAL TABLE INDEX" in plan
        assert "USING INTEGER PRIMARY KEY" in plan


# --- orders that no index gives


def test_a_long_log_is_sorted_by_its_time_only(log: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        make_entry(f"entry {number}", ago(minutes=number))
    assert len(messages(log(sort="actor"))) >= 4
    monkeypatch.setattr("activity.listing.listing.COUNT_CAP", 3)
    monkeypatch.setattr(text_search_page, "MOST_FOUND", 3)
    assert "not sorted by this column" in problem(log(sort="actor"))
    assert "not sorted by this column" in problem(log(sort="actor", activity="entry"))
    assert len(messages(log(sort="-at"))) >= 4


def test_logins_are_searched_through_the_index(as_user: AsUser, admin: User, long_list: pytest.MonkeyPatch) -> None:
    zoe = make_user("zoe")
    wanted = make_login(zoe, city="Ouagadougou")
    for number in range(5):
        make_login(zoe, city=f"City {number}")
    client = as_user(admin)
    for sort in ("city", "-ip", "last_access"):
        html = client.get("/logins/", {"q": "ouaga", "sort": sort}).content.decode()
        assert re.findall(r'id="row-(\d+)"', html) == [str(wanted.pk)]
    assert "1 login session<" in html


def test_doctor_says_when_there_is_no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not search().remedy
    monkeypatch.setattr(text_index, "is_ready", lambda index, database="default": False)
    said = search()
    assert "slow" in said.text
    assert "sessionadmin migrate" in said.remedy
    assert not said.is_error
