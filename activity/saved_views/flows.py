"""What a person does with saved views. What changes a shared view is in the log, because others see it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from activity import log
from activity.folding import fold
from activity.listing.links import DOWNLOAD_PARAMETERS, PAGE_PARAMETERS
from activity.models import ListPreference
from activity.saved_views.models import LONGEST_PATH, LONGEST_QUERY, SavedView, ViewMark
from activity.text import plain
from activity.verbs import Verb

MOST_VIEWS = 100  # of one person
NOT_KEPT = frozenset({*PAGE_PARAMETERS, *DOWNLOAD_PARAMETERS, "view"})  # one page of the list, or a download
FIELDS = ("name", "path", "query", "hidden", "widths", "order", "is_shared")  # what the log says of a shared view
_signer = Signer(salt="activity.saved_views")


class NotSaved(Exception):
    """The view was not saved. The text is for the person."""


# --- the list that a view is of: the page names it, signed, so that no view leads anywhere else


def name_list(path: str, table: str, nouns: str) -> str:
    """Return what the form of a list sends, so that a view of this list can be saved."""
    return _signer.sign_object([path, table, nouns])


def _read_list(text: str) -> tuple[str, str, str]:
    try:
        path, table, nouns = _signer.unsign_object(text)
    except (BadSignature, ValueError) as error:
        raise NotSaved("The list was not understood. Open it again, and save the view there.") from error
    return path, table, nouns


def _query_of(address: str, path: str) -> str:
    """Return filters and order of the address of a list. Raise NotSaved if it is the address of something else."""
    parts = urlsplit(address)
    if parts.path != path or len(path) > LONGEST_PATH:
        raise NotSaved("The address of the list was not understood. Open it again, and save the view there.")
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name not in NOT_KEPT])
    if len(query) > LONGEST_QUERY:
        raise NotSaved("The filters are too long to be kept. Remove some of them.")
    return query


# --- saving


def may_share(person: AbstractUser, view: SavedView | None = None) -> bool:
    """Return whether the person may share views: administrators and auditors, who read the whole log.

    Who lost the role may keep, or take back, what they share already.
    """
    return (view is not None and view.is_shared) or person.has_perm("activity.view_logentry")


def may_change(person: AbstractUser, view: SavedView) -> bool:
    return bool(view.owner_id == person.pk)


def may_delete(person: AbstractUser, view: SavedView) -> bool:
    """Return whether the person may delete the view: their own, and as administrator what others share."""
    return may_change(person, view) or (view.is_shared and person.has_perm("activity.delete_savedview"))


def save_as(person: AbstractUser, name: str, list_name: str, address: str, *, is_shared: bool) -> SavedView:
    """Save what the person sees of a list as a new view. Raise NotSaved if it cannot be."""
    path, table, nouns = _read_list(list_name)
    query = _query_of(address, path)
    _require_sharing(person, is_shared=is_shared)
    mine = SavedView.objects.filter(owner_id=person.pk)
    if mine.count() >= MOST_VIEWS:
        raise NotSaved(f"You have {MOST_VIEWS} saved views. Delete one that you no longer need.")
    view = SavedView(owner_id=person.pk, name=checked_name(person, name), path=path, query=query)
    view.table, view.nouns, view.is_shared = table, nouns, is_shared
    _take_columns(view, _columns_seen(person, address, table))
    with transaction.atomic():
        view.save()
        if view.is_shared:
            _log(Verb.VIEW_SHARED, f"Shared the saved view “{view}” of {nouns}", person, view, {"view": _values(view)})
    return view


def update(person: AbstractUser, view: SavedView, list_name: str, address: str) -> None:
    """Replace what the view keeps by what the person sees of its list now. Raise NotSaved if it cannot be."""
    path, table, nouns = _read_list(list_name)
    if path != view.path:
        raise NotSaved("This view belongs to another list.")
    before = _values(view)
    view.query, view.table, view.nouns, view.changed_at = _query_of(address, path), table, nouns, timezone.now()
    with transaction.atomic():
        _take_columns(view, _columns_seen(person, address, table))
        view.save()
        ListPreference.objects.filter(user_id=person.pk, table=view.columns_key).delete()
        _log_change(person, view, before)


def edit(person: AbstractUser, view: SavedView, name: str, *, is_shared: bool) -> None:
    """Give the view another name, share it, or take it back from the others. Raise NotSaved if it cannot be."""
    _require_sharing(person, view, is_shared=is_shared)
    before = _values(view)
    view.name, view.is_shared, view.changed_at = checked_name(person, name, view), is_shared, timezone.now()
    with transaction.atomic():
        view.save(update_fields=["name", "is_shared", "changed_at"])
        if not is_shared:  # nobody else sees it from now on
            view.marks.exclude(user_id=view.owner_id).delete()
        _log_change(person, view, before)


def delete(person: AbstractUser, view: SavedView) -> None:
    """Delete the view, and what everybody made of it."""
    with transaction.atomic():
        if view.is_shared:
            said = f"Deleted the shared view “{view}” of {view.nouns}"
            _log(Verb.VIEW_WITHDRAWN, said, person, view, {"view": _values(view)})
        ListPreference.objects.filter(table=view.columns_key).delete()
        view.delete()


def _require_sharing(person: AbstractUser, view: SavedView | None = None, *, is_shared: bool) -> None:
    if is_shared and not may_share(person, view):
        raise NotSaved("Only administrators and auditors share views.")


def checked_name(person: AbstractUser, name: str, view: SavedView | None = None) -> str:
    """Return the name as it is saved. Raise NotSaved if there is none, or if another view of the person has it."""
    name = plain(name, 1000).strip()
    longest = SavedView._meta.get_field("name").max_length or 0
    if not name:
        raise NotSaved("Give the view a name.")
    if len(name) > longest:
        raise NotSaved(f"The name is too long: at most {longest} characters.")
    others = SavedView.objects.filter(owner_id=person.pk)
    if view is not None:
        others = others.exclude(pk=view.pk)
    if fold(name) in {fold(each) for each in others.values_list("name", flat=True)}:
        raise NotSaved(f"You have a view called “{name}” already. Choose another name, or update that one.")
    return name


def _columns_seen(person: AbstractUser, address: str, table: str) -> ListPreference | SavedView | None:
    """Return the columns as the person sees them at an address: their change of a view, the view, or their own."""
    mine = ListPreference.objects.filter(user_id=person.pk)
    asked = dict(parse_qsl(urlsplit(address).query)).get("view", "")
    if asked.isascii() and asked.isdigit() and len(asked) < 19:
        view = SavedView.objects.visible_to(person).filter(pk=int(asked), table=table).first()
        if view is not None:
            return mine.filter(table=view.columns_key).first() or view
    return mine.filter(table=table).first()


def _take_columns(view: SavedView, seen: ListPreference | SavedView | None) -> None:
    view.hidden = seen.hidden if seen is not None else None
    view.widths, view.order = (seen.widths, seen.order) if seen is not None else ({}, [])


# --- what a person makes of a view


def make_default(person: AbstractUser, view: SavedView, *, is_default: bool) -> None:
    """Open the list of the view with it from now on, for this person; or as it is without a view."""
    with transaction.atomic():
        _one_at_a_time(person)
        ViewMark.objects.filter(user_id=person.pk, path=view.path).update(is_default=False)
        if is_default:
            _mark(person, view, is_default=True)


def make_favourite(person: AbstractUser, view: SavedView, *, is_favourite: bool) -> None:
    """Put the view at the end of the person's favourites, or take it from there."""
    with transaction.atomic():
        _one_at_a_time(person)
        mine = ViewMark.objects.filter(user_id=person.pk)
        if not is_favourite:
            mine.filter(view=view).update(place=None)
        elif not mine.filter(view=view, place__isnull=False).exists():
            last = mine.aggregate(last=Max("place"))["last"]
            _mark(person, view, place=(last or 0) + 1)


def move_favourite(person: AbstractUser, view: SavedView, *, up: bool) -> None:
    """Exchange the favourite with the one above or below it. One at the end stays there."""
    with transaction.atomic():
        mine = ViewMark.objects.select_for_update().filter(user_id=person.pk, place__isnull=False)
        places = {mark.view_id: mark for mark in mine}
        here = places.get(view.pk)
        if here is None or here.place is None:
            return
        order = sorted(places.values(), key=lambda mark: (mark.place or 0, mark.pk))
        there = order.index(here) + (-1 if up else 1)
        if 0 <= there < len(order):
            other = order[there]
            here.place, other.place = other.place, here.place
            ViewMark.objects.bulk_update([here, other], ["place"])


def _one_at_a_time(person: AbstractUser) -> None:
    """Wait for other requests of the person that mark views: a list has one default, and each favourite its place."""
    get_user_model().objects.select_for_update(no_key=True).filter(pk=person.pk).first()


def _mark(person: AbstractUser, view: SavedView, **values: Any) -> None:
    ViewMark.objects.update_or_create(user_id=person.pk, view=view, defaults={"path": view.path, **values})


# --- the log


def _values(view: SavedView) -> dict[str, Any]:
    return {name: getattr(view, name) for name in FIELDS}


def _log_change(person: AbstractUser, view: SavedView, before: dict[str, Any]) -> None:
    """Record what others notice: a view that they see changes, or they begin or cease to see it."""
    now = _values(view)
    changes = {name: {"old": before[name], "new": now[name]} for name in FIELDS if before[name] != now[name]}
    if not changes or not (before["is_shared"] or view.is_shared):
        return
    verb, said = Verb.VIEW_CHANGED, f"Changed the shared view “{view}” of {view.nouns}"
    if not before["is_shared"]:
        verb, said = Verb.VIEW_SHARED, f"Shared the saved view “{view}” of {view.nouns}"
    elif not view.is_shared:
        verb, said = Verb.VIEW_WITHDRAWN, f"Made the shared view “{view}” of {view.nouns} private"
    _log(verb, said, person, view, {"changes": changes})


def _log(verb: Verb, said: str, person: AbstractUser, view: SavedView, details: dict[str, Any]) -> None:
    log.record(verb, said, actor=person, target=view, details=details)
