"""The pages of scheduled exports: a list, one with its files, a form, and the link that mails hold."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from activity import log
from activity.downloads import FileDownload, take_slot
from activity.listing.file_names import attachment
from activity.typed import typed
from activity.verbs import Verb
from activity.viewer import viewer
from sessions_app.reports.every_report import REPORTS
from sessions_app.roles import is_administrator, sees_everything
from sessions_app.schedules import files
from sessions_app.schedules.flows.stop import stop
from sessions_app.schedules.forms import REPORT, VIEW, ScheduleForm
from sessions_app.schedules.models import Schedule, ScheduledExport
from sessions_app.schedules.rights import refusal, refusal_of_file
from sessions_app.schedules.times import next_time

MOST = 50  # schedules of one person
# What the form changes. The rest is written by the worker that makes the export at this moment, or by Pause.
SAVED = (
    *("view", "report", "view_name", "format", "is_archive", "every", "weekday", "month_day", "at", "zone"),
    *("stopped_because", "problem", "attempts", "next_at"),
)


def _reader(request: HttpRequest) -> AbstractUser:
    person = viewer(request)
    if not sees_everything(person):
        raise PermissionDenied("Only auditors and administrators have scheduled exports.")
    return person


def _own(request: HttpRequest, pk: int) -> Schedule:
    """Return a schedule of the person. Only its owner changes what is mailed to them."""
    return get_object_or_404(Schedule.objects.filter(owner_id=_reader(request).pk), pk=pk)


@require_safe
def schedules(request: HttpRequest) -> HttpResponse:
    """Show the person's schedules; administrators see those of everybody."""
    person = _reader(request)
    found = Schedule.objects.visible_to(person).select_related("owner").order_by("view_name", "pk")
    context = {"heading": "Scheduled exports", "schedules": found, "shows_owner": is_administrator(person)}
    return render(request, "sessions_app/schedules/schedules.html", context)


@require_safe
def schedule(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one schedule and the files that it made."""
    person = _reader(request)
    found = get_object_or_404(Schedule.objects.visible_to(person).select_related("owner"), pk=pk)
    context = {
        "heading": found.view_name,
        "schedule": found,
        "has_period": found.report in REPORTS and REPORTS[found.report].has_period,
        "exports": found.exports.order_by("-pk")[:100],
        "is_owner": found.owner_id == person.pk,
        "may_delete": found.owner_id == person.pk or is_administrator(person),
    }
    return render(request, "sessions_app/schedules/schedule.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def schedule_add(request: HttpRequest) -> HttpResponse:
    """Show the form of a new schedule, and save what was entered. The address may name a view or a report."""
    person = _reader(request)
    chosen = next((f"{kind}-{typed(request.GET, kind)}" for kind in (VIEW, REPORT) if kind in request.GET), "")
    initial = {"at": "06:00", "what": chosen}
    return _form(request, person, Schedule(owner_id=person.pk), initial, heading="Schedule an export", button="Add")


@require_http_methods(["GET", "HEAD", "POST"])
def schedule_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a schedule, which then runs again if it was stopped."""
    found = _own(request, pk)
    return _form(request, _reader(request), found, {}, heading=f"Change {found.view_name}", button="Save")


def _form(
    request: HttpRequest, person: AbstractUser, row: Schedule, initial: dict[str, str], *, heading: str, button: str
) -> HttpResponse:
    zone, is_new = timezone.get_current_timezone_name(), row.pk is None
    form = ScheduleForm(person, zone, request.POST or None, instance=row, initial=initial)
    if request.method == "POST" and is_new and Schedule.objects.filter(owner_id=person.pk).count() >= MOST:
        form.add_error(None, f"You have {MOST} scheduled exports, which is as many as one person may have.")
    if request.method == "POST" and form.is_valid():
        _save(form, person, zone, is_new=is_new)
        next_at = timezone.localtime(form.instance.next_at)
        messages.success(request, f"The export is made next at {next_at:%Y-%m-%d %H:%M} ({zone}).")
        return redirect(form.instance)
    page_url = "/schedules/" if is_new else row.get_absolute_url()
    context = {"heading": heading, "form": form, "button": button, "page_url": page_url}
    status = 422 if request.method == "POST" else 200
    return render(request, "sessions_app/schedules/schedule_form.html", context, status=status)


def _save(form: ScheduleForm, person: AbstractUser, zone: str, *, is_new: bool) -> None:
    row = form.instance
    form.take_what()
    row.zone, row.stopped_because, row.problem, row.attempts = zone, "", "", 0
    row.next_at = next_time(row, timezone.now())
    with transaction.atomic():
        row.save(update_fields=None if is_new else SAVED)
        done, verb = ("Scheduled", Verb.RECORD_ADDED) if is_new else ("Changed", Verb.RECORD_CHANGED)
        details = {field: str(form.cleaned_data[field]) for field in form.cleaned_data} | {"zone": zone}
        log.record(verb, f"{done} the export “{row.view_name}”", actor=person, target=row, details=details)


@require_POST
def schedule_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Pause a schedule, or let it go on."""
    row, is_paused = _own(request, pk), typed(request.POST, "paused") == "1"
    with transaction.atomic():
        if Schedule.objects.filter(pk=row.pk, is_paused=not is_paused).update(
            is_paused=is_paused, next_at=next_time(row, timezone.now())
        ):
            done = "Paused" if is_paused else "Went on with"
            log.record(
                Verb.RECORD_CHANGED, f"{done} the scheduled export “{row.view_name}”", actor=viewer(request), target=row
            )
    return redirect(row)


@require_POST
def schedule_run(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the worker make an export now."""
    row = _own(request, pk)
    running = Schedule.objects.running().filter(pk=row.pk)
    with transaction.atomic():
        running.filter(attempts__gt=0).update(held_until=None)  # it need not wait for the next attempt
        if running.update(next_at=timezone.now(), attempts=0):
            log.record(
                Verb.RECORD_CHANGED, f"Asked for the export “{row.view_name}” now", actor=viewer(request), target=row
            )
            messages.success(request, "A worker makes the export within a minute, and mails you its link.")
        else:
            messages.error(request, "The export is paused or stopped. Nothing was made.")
    return redirect(row)


@require_http_methods(["GET", "HEAD", "POST"])
def schedule_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a schedule with its files. Administrators may delete those of others too."""
    person = _reader(request)
    row = get_object_or_404(Schedule.objects.visible_to(person), pk=pk)
    if request.method == "POST":
        names = list(row.exports.filter(removed_at=None).values_list("stored_as", flat=True))
        with transaction.atomic():
            text = f"Deleted the scheduled export “{row.view_name}”"
            log.record(Verb.RECORD_DELETED, text, actor=person, user=row.owner, target=row)
            row.delete()
        for name in names:
            files.remove(name)
        messages.success(request, f"Deleted the scheduled export “{row.view_name}” and its files.")
        return redirect("schedules")
    context = {"heading": f"Delete {row.view_name}?", "schedule": row}
    return render(request, "sessions_app/schedules/schedule_delete.html", context)


@require_safe
def schedule_file(request: HttpRequest, token: str) -> HttpResponseBase:
    """Send the file of a link to its owner, if they may still have it. Everybody else gets what a wrong link gets."""
    person = viewer(request)
    export = (
        ScheduledExport.objects.filter(token=token, schedule__owner_id=person.pk)
        .select_related("schedule__owner")
        .first()
    )
    if export is None:
        raise Http404("This link is not one of yours.")
    if reason := refusal(export.schedule):
        stop(export.schedule, reason)
        raise PermissionDenied(f"You may not have this export any more. {reason}")
    if reason := refusal_of_file(export):
        raise PermissionDenied(f"You may not have this file. {reason}")
    if not export.is_there:
        raise Http404("This link has expired, and the file was removed. Make the export again.")
    slot = take_slot(person)
    try:
        file = files.path_of(export.stored_as).open("rb")
    except OSError as problem:
        slot.release()
        raise Http404("The file is gone. Make the export again.") from problem
    headers = {"Cache-Control": "no-store", "Content-Disposition": attachment(export.file_name)}
    answer = FileDownload(slot, file, content_type=export.content_type, headers=headers)
    try:
        _log_fetch(request, export)
    except BaseException:
        answer.close()
        raise
    return answer


def _log_fetch(request: HttpRequest, export: ScheduledExport) -> None:
    with transaction.atomic():
        log.record(
            Verb.SCHEDULE_FETCHED,
            f"Fetched the scheduled export “{export.schedule.view_name}”",
            actor=viewer(request),
            target=export.schedule,
            details={"file": export.file_name, "sha256": export.sha256},
        )
        ScheduledExport.objects.filter(pk=export.pk, fetched_at=None).update(fetched_at=timezone.now())
