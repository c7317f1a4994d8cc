"""A search finds different ways to write a word (case, accents), on both databases, in every list and filter."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client

from activity.filters import suggest_users
from activity.folding import fold
from activity.names import called
from sessions_app.logins.models import LoginSession
from sessions_app.privileged.models import PrivilegedSession
from tests.support.builders import make_login, make_resource, make_session, make_user
from tests.support.entries import make_entry, messages, table_rows
from tests.support.recordings import make_recording

AsUser = Callable[[User], Client]
USUAL = "\u0345\u0301\u0308\u030cßẞΣςσΟаЁİIıſ "
DECOMPOSED = unicodedata.normalize("NFD", "Léa-Élodie")
SPELLINGS = ["Léa-Élodie", "léa-élodie", "LÉA-ÉLODIE", "lÉA-éLODIE", DECOMPOSED, DECOMPOSED.upper(), DECOMPOSED.lower()]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Анна-Мария", "анна-МАРИЯ"),
        ("Léa", "le\u0301a"),
        ("Straße", "STRASSE"),
        ("ΣΟΦΟΣ", "σοφος"),
        ("σοφός", "ΣΟΦΌΣ"),
        ("ﬁ", "FI"),
        ("Ｗｅｂ", "web"),
        ("①", "1"),
        ("℡ and ™", "TEL AND tm"),
        ("\u1f8b\u0301", "\u1f03\u0301\u03b9"),
        ("ǆ", "Ǆ"),
        ("ᾳ", "αι"),
        ("J\u030c", "ǰ"),
    ],
)
def test_two_spellings_fold_to_one(one: str, other: str) -> None:
    assert fold(one) == fold(other) == fold(fold(one))


@pytest.mark.postgres_only
@pytest.mark.django_db
def test_postgresql_folds_every_character_as_python_does() -> None:
    """Every character that Python knows, and mixtures of those that are folded in some special way. The two need not
    come to the same letters (of Cherokee Python takes the large ones): what is asked goes through both."""
    every = [
        chr(number) for number in range(1, 0x110000) if unicodedata.category(chr(number)) not in ("Cn", "Co", "Cs")
    ]
    some = [
        one
        for one in every
        if one in "\u0345\u0301\u0308\u030cßẞΣςσΟаЁİIıſ" or (fold(one) != one.lower() and ord(one) < 0x2200)
    ]
    chance = random.Random(23)  # noqa: S311 - the same mixtures on every run, not a secret
    mixtures = ["".join(chance.choices(some, k=chance.randrange(2, 7))) for _ in range(20_000)]
    texts = [*every, *mixtures, *(mixture.upper() for mixture in mixtures)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT given FROM unnest(%s::text[], %s::text[]) AS t(given, folded) "
            "WHERE activity_fold(given) <> activity_fold(folded)",
            [texts, [fold(text) for text in texts]],
        )
        assert cursor.fetchall() == []


@pytest.mark.django_db
def test_the_database_folds_as_python_does() -> None:
    texts = [
        "",
        "ASCII only",
        "Анна-Мария",
        "Léa",
        "le\u0301a",
        "Straße",
        "ΣΟΦΟΣ",
        "ﬁ ① Ｗｅｂ",
        "a\u0345",
        "日本人 🚀",
    ]
    with connection.cursor() as cursor:
        for text in texts:
            cursor.execute("SELECT activity_fold(%s)", [text])
            assert cursor.fetchone() == (fold(text),)
        cursor.execute("SELECT activity_fold(NULL)")
        assert cursor.fetchone() == (None,)


# --- in every list and filter


@pytest.fixture
def lea() -> User:
    return make_user("Léa-Élodie", first_name="Zoë", last_name="Müller-Straße")


@pytest.mark.django_db
@pytest.mark.parametrize("asked", SPELLINGS)
def test_people_are_found_however_they_are_written(as_user: AsUser, admin: User, lea: User, asked: str) -> None:
    make_user("lea-elodie")  # another letter is another letter
    rows = table_rows(as_user(admin).get("/users/", {"q": asked}))
    assert [row["User"] for row in rows] == ["Léa-Élodie"]
    assert suggest_users(asked) == suggest_users(asked[:4]) == [("Léa-Élodie", "")]
    assert [account.pk for account in called(asked)] == [lea.pk]
    found = as_user(admin).get("/admin/auth/user/", {"q": asked}).content.decode()
    assert "1 user" in found


@pytest.mark.django_db
@pytest.mark.parametrize("asked", ["müller", "MÜLLER", "mu\u0308ller-STRASSE", "ZOË"])
def test_names_are_found_however_they_are_written(as_user: AsUser, admin: User, lea: User, asked: str) -> None:
    assert [row["User"] for row in table_rows(as_user(admin).get("/users/", {"q": asked}))] == ["Léa-Élodie"]


@pytest.mark.django_db
def test_the_log_knows_the_user_in_any_spelling(as_user: AsUser, admin: User) -> None:
    mueller = make_user("müller")
    make_entry("done", actor=mueller, user=mueller)
    for asked in ("MÜLLER", "Mu\u0308ller", "müller"):
        assert messages(as_user(admin).get("/activity/", {"user": asked, "period": "1y", "activity": "done"})) == [
            "done"
        ]


@pytest.mark.django_db
def test_who_differs_in_nothing_but_case_is_found_by_the_exact_name() -> None:
    first, second = make_user("Müller"), make_user("MÜLLER")
    assert [account.pk for account in called("Müller")] == [first.pk]
    assert [account.pk for account in called("MÜLLER")] == [second.pk]
    assert [account.pk for account in called("müller")] == [first.pk, second.pk]
    assert called("mueller") == []


@pytest.mark.django_db
def test_logins_and_sessions_are_found_in_any_spelling(as_user: AsUser, admin: User, lea: User, alice: User) -> None:
    client = as_user(admin)
    make_login(alice)
    login = make_login(lea, city="Zürich", country="Österreich")
    make_session(alice)
    session = make_session(lea, resource=make_resource("Größe-1"), notes="Ärger")
    for asked in SPELLINGS:
        assert len(table_rows(client.get("/logins/", {"user": asked}))) == 1
        assert len(table_rows(client.get("/logins/", {"q": asked}))) == 1
        assert len(table_rows(client.get("/sessions/", {"user": asked}))) == 1
    for query in ({"q": "ZU\u0308RICH"}, {"country": "österreich"}):
        assert len(table_rows(client.get("/logins/", query))) == 1
    assert login.ip is not None
    for query in ({"host": "GRÖSSE"}, {"q": "gro\u0308sse"}, {"q": "ärger LÉA"}):
        assert len(table_rows(client.get("/sessions/", query))) == 1
    assert LoginSession.objects.filter(pk=login.pk, ip__folded_contains=login.ip[:5]).exists()
    assert PrivilegedSession.objects.filter(pk=session.pk, notes__folded_exact="ÄRGER").exists()
    assert not PrivilegedSession.objects.filter(notes__folded_exact="ärge_").exists()


@pytest.mark.django_db
def test_groups_and_recordings_are_found_in_any_spelling(as_user: AsUser, admin: User) -> None:
    client = as_user(admin)
    Group.objects.create(name="Größe")
    assert [row["Group"] for row in table_rows(client.get("/groups/", {"q": "GRO\u0308SSE"}))] == ["Größe"]
    recording = make_recording(None, (1.0, "$ cat Caf\u00e9-Größe.txt\r\n"))
    for asked in ("café", "CAFE\u0301", "größe.TXT", "grösse caf"):
        assert len(table_rows(client.get("/recordings/", {"q": asked}))) == 1
        assert "Caf\u00e9-Größe.txt" in client.get(f"/recordings/{recording.pk}/", {"find": asked}).content.decode()
