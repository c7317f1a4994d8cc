"""`python -m benchmarks.volume` fills a database with made-up data by the million, here by the hundred: the same seed
gives the same rows, and they never come beside real people unless one asks for that."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet

from activity import log
from activity.models import LOG_WORDS, LogEntry
from activity.text_index import WAITING
from activity.verbs import Verb
from benchmarks.volume import bulk, entries, words
from benchmarks.volume.command import Command
from benchmarks.volume.population import DOMAIN
from sessions_app.logins.models import LoginSession
from sessions_app.privileged.models import ENDED, PrivilegedSession

FEW = {"entries": 2000, "sessions": 300, "logins": 60, "users": 40, "seed": 7, "until": "2020-06-30"}
IDS = (
    "id",
    "actor_id",
    "user_id",
    "target_id",
    "requested_by_id",
    "resource_id",
    "activity_id",
    "policy_id",
    "profile_id",
)


def generate(**changed: Any) -> None:
    options = {**FEW, **changed}
    flags = ["--into-real-data"] if options.pop("into_real_data", False) else []
    call_command(Command(), *flags, *(f"--{name}={value}" for name, value in options.items()), verbosity=0)


def made() -> QuerySet[LogEntry]:
    """Return the generated log entries, without today's ones that say what was generated."""
    return LogEntry.objects.filter(at__year__lte=2020)


def facts(queryset: Any) -> list[dict[str, object]]:
    """Return the rows in their order, without the numbers that the database gave them."""
    return [{key: value for key, value in row.items() if key not in IDS} for row in queryset.order_by("pk").values()]


@pytest.fixture(autouse=True)
def _quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Capture what the command prints, so that it does not fill the output."""


def test_as_many_rows_as_asked_for_and_an_entry_that_says_that_they_are_made_up(db: None) -> None:
    generate()
    assert (made().count(), PrivilegedSession.objects.count(), LoginSession.objects.count()) == (2000, 300, 60)
    assert User.objects.filter(email__endswith=f"@{DOMAIN}").count() == 40
    assert "made-up" in LogEntry.objects.latest("pk").message


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(db: None) -> None:
    found = []
    for seed in (7, 7, 8):
        with transaction.atomic():
            generate(seed=seed)
            found.append((facts(made()), facts(PrivilegedSession.objects.all()), facts(LoginSession.objects.all())))
            transaction.set_rollback(True)
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]


def test_nobody_generated_has_rights_or_can_log_in(db: None) -> None:
    generate()
    assert not PrivilegedSession.objects.exclude(status__in=ENDED).exists()
    assert not any(person.has_usable_password() for person in User.objects.all())


def test_the_log_is_in_the_order_of_time_and_its_entries_lead_to_their_sessions(db: None) -> None:
    generate()
    rows = list(made().order_by("pk"))
    assert [row.at for row in rows] == sorted(row.at for row in rows)
    about = [(row, row.target_id) for row in rows if row.target_id]
    assert len(about) > 1000
    row, number = about[500]
    session = PrivilegedSession.objects.get(pk=number)
    assert (session.user_name, str(session)) == (row.user_name, row.target_name)


def test_few_people_do_most(db: None) -> None:
    generate()
    busiest = User.objects.order_by("pk")[:4]
    assert made().filter(user__in=busiest).count() > 2000 * 0.35  # a tenth of them: (1/10) ** (1/3) is 46 in 100


def test_words_are_as_rare_as_they_claim(db: None) -> None:
    generate()

    def holding(word: str) -> int:
        return made().filter(message__contains=word).count()

    assert holding(words.COMMON) == 200
    assert holding(words.MIDDLING) == 2
    assert holding(words.RARE) == 1
    assert holding(words.NONE) == 0
    oldest = made().order_by("pk")[200]
    assert holding(words.WORST) == made().filter(message__contains=words.WORST, pk__lt=oldest.pk).count() == 20


def test_real_people_are_not_mixed_with_made_up_ones(db: None) -> None:
    User.objects.create_user("real", "real@company.example.net")
    with pytest.raises(CommandError, match=r"real data: 1 of its accounts.*Nothing was changed"):
        generate()
    assert not made().exists()
    generate(into_real_data=True)
    assert made().count() == 2000


def test_generated_and_sample_data_may_be_added_to(db: None) -> None:
    User.objects.create_user("sample", "sample@example.com")
    generate()
    generate(entries=100, sessions=10, logins=5, users=3)
    assert (made().count(), PrivilegedSession.objects.count()) == (2100, 310)


@pytest.mark.parametrize("wrong", [{"users": 0}, {"entries": -1}])
def test_numbers_that_cannot_be_are_refused(db: None, wrong: dict[str, int]) -> None:
    with pytest.raises(CommandError, match="Nothing was changed"):
        generate(**wrong)


def indexes(table: str) -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, table))


def test_indexes_and_the_refusal_to_change_the_log_are_there_afterwards(db: None) -> None:
    before = {table: indexes(table) for table in (LogEntry._meta.db_table, PrivilegedSession._meta.db_table)}
    generate()
    assert before == {table: indexes(table) for table in before}
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        LogEntry.objects.update(message="changed")


@pytest.mark.sqlite_only
def test_the_index_of_words_holds_generated_rows_and_those_that_come_later(db: None) -> None:
    generate()
    for _ in range(
        WAITING
    ):  # the first of them begin with those that wait: the two entries that say what was generated
        log.record(Verb.LOGIN, "Logged in with a turntable", user_name="later")
    with connection.cursor() as cursor:
        for word, count in ((words.COMMON[:3], 200), ("tur", WAITING - 2)):
            cursor.execute(f"SELECT COUNT(*) FROM {LOG_WORDS.name}(%s)", [word])  # noqa: S608 - our own name
            assert cursor.fetchone()[0] == count


def test_a_broken_row_leaves_nothing_behind_and_all_indexes_in_place(db: None) -> None:
    before = indexes(LogEntry._meta.db_table)
    wrong = (None,) * len(entries.COLUMNS)
    with pytest.raises(DatabaseError), transaction.atomic(), bulk.indexes_aside(LogEntry, [LOG_WORDS]):
        bulk.append(LogEntry, entries.COLUMNS, [wrong])
    assert indexes(LogEntry._meta.db_table) == before
    assert not made().exists()
