"""Choosing many objects by searching: what stays, what is taken out, what cannot be chosen, and how much it costs."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import Group, User
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from sessions_app.choosing import MOST_CHOSEN, ChosenField, users_field
from tests.support.pages import parsed, text


class MembersForm(forms.Form):
    members = users_field()


def people(count: int, prefix: str = "user") -> list[User]:
    return User.objects.bulk_create(User(username=f"{prefix}-{number:04}") for number in range(count))


def form(initial: list[User] | None = None, **sent: Any) -> MembersForm:
    """Return a form whose members were `initial`; with `sent` as a browser would send it."""
    data = QueryDict(mutable=True)
    for name, value in sent.items():
        data.setlist(name.replace("_", "-"), [str(each) for each in value] if isinstance(value, list) else [value])
    return MembersForm(data if sent else None, initial={"members": [user.pk for user in initial or []]})


def boxes(shown: MembersForm) -> dict[str, bool]:
    """Return the people who have a box, and whether it is ticked."""
    page = parsed(str(shown["members"]))
    return {text(label): "checked" in label.findall("input")[0].attrib for label in page.iter("label")}


def hidden(shown: MembersForm, name: str) -> list[int]:
    page = parsed(str(shown["members"]))
    [field] = [each for each in page.iter("input") if each.get("name") == f"members-{name}"]
    return [int(key) for key in field.attrib["value"].split(",") if key]


def chosen(filled: MembersForm) -> list[int]:
    assert filled.is_valid(), filled.errors
    keys: list[int] = filled.cleaned_data["members"]
    return keys


def test_a_new_form_offers_the_first_ones(db: None) -> None:
    people(25)
    shown = boxes(form())
    assert len(shown) == 20
    assert not any(shown.values())


def test_a_ticked_box_adds_and_one_that_is_cleared_takes_out(db: None) -> None:
    one, two, three = people(3)
    sent = form([one, two], members=[two.pk, three.pk], members_shown=f"{one.pk},{two.pk}")
    assert chosen(sent) == [two.pk, three.pk]
    assert sent.has_changed()


def test_who_had_no_box_stays(db: None) -> None:
    crew = people(MOST_CHOSEN + 50)
    shown = form(crew)
    with_box = hidden(shown, "shown")
    assert len(with_box) == MOST_CHOSEN
    sent = form(crew, members=with_box[1:], members_shown=",".join(map(str, with_box)))
    assert len(chosen(sent)) == MOST_CHOSEN + 49
    assert with_box[0] not in chosen(sent)


def test_a_search_keeps_what_was_ticked_and_what_was_cleared(db: None) -> None:
    one, two, three = people(3)
    zoe = User.objects.create(username="zoë")
    searched = form([one, two], members=[two.pk, three.pk], members_shown=f"{one.pk},{two.pk}", members_search="ZOE")
    assert boxes(searched) == {"user-0001": True, "user-0002": True}
    searched = form([one, two], members=[two.pk, three.pk], members_shown=f"{one.pk},{two.pk}", members_search="ZOË")
    assert boxes(searched) == {"user-0001": True, "user-0002": True, "zoë": False}
    again = form(
        [one, two],
        members=[two.pk, three.pk, zoe.pk],
        members_shown=",".join(map(str, hidden(searched, "shown"))),
        members_also=",".join(map(str, hidden(searched, "also"))),
    )
    assert chosen(again) == [two.pk, three.pk, zoe.pk]


def test_all_that_match_are_chosen_at_once(db: None) -> None:
    people(MOST_CHOSEN + 30, "web")
    people(3, "db")
    every = form(members_search="web", find="members-all")
    also = hidden(every, "also")
    assert len(also) == 30
    ticked = [name for name, is_ticked in boxes(every).items() if is_ticked]
    assert len(ticked) == MOST_CHOSEN
    keys = list(User.objects.filter(username__in=ticked).values_list("pk", flat=True))
    assert len(chosen(form(members=keys, members_also=",".join(map(str, also))))) == MOST_CHOSEN + 30


def test_a_search_finds_whom_it_has_no_box_for(db: None) -> None:
    crew = people(MOST_CHOSEN + 50)
    last = crew[-1]
    searched = form(crew, members_search=last.username, members=[], members_shown="")
    assert boxes(searched)[last.username] is True
    assert next(iter(boxes(searched))) == last.username


@pytest.mark.parametrize("wrong", ["999999", "x", "-1", "1" * 30, "", "1\x00"])
def test_what_does_not_exist_cannot_be_chosen(db: None, wrong: str) -> None:
    sent = form(members=[wrong])
    assert not sent.is_valid()
    assert "Search for it again" in str(sent.errors)
    assert str(sent["members"])


def test_a_required_field_needs_one(db: None) -> None:
    sent = form(members_shown="")
    assert sent.errors == {"members": ["Choose at least one."]}


def test_what_may_not_be_chosen_any_more_stays_where_it_was(db: None) -> None:
    old, new = people(2)

    class ActiveForm(forms.Form):
        members = ChosenField(User.objects.filter(is_active=True), search=("username",), nouns="people")

    User.objects.filter(pk=old.pk).update(is_active=False)
    sent = ActiveForm(QueryDict(f"members={new.pk}&members-shown="), initial={"members": [old.pk]})
    assert sent.is_valid()
    assert sent.cleaned_data["members"] == [old.pk, new.pk]


def test_many_cost_as_many_queries_as_few(db: None) -> None:
    def queries(crew: list[User]) -> int:
        with CaptureQueriesContext(connection) as captured:
            str(form(crew, members_search="user", members_shown="")["members"])
        return len(captured)

    everybody = people(300)
    assert queries(everybody[:250]) == queries(everybody[:2])


def test_a_model_form_saves_the_keys(db: None) -> None:
    class UserForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
        groups = ChosenField(Group.objects.order_by("name"), search=("name",), nouns="groups", required=False)

        class Meta:
            model = User
            fields = ("groups",)

    alice = User.objects.create(username="alice")
    old, new = Group.objects.create(name="Old"), Group.objects.create(name="New")
    alice.groups.add(old)
    UserForm(QueryDict(f"groups={new.pk}&groups-shown={old.pk}"), instance=alice).save()
    assert list(alice.groups.all()) == [new]
