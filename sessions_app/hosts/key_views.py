"""Views for a person's own SSH keys, and for the certificate of one of their sessions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from activity.viewer import viewer
from sessions_app.errors import Refused
from sessions_app.hosts.flows.certificate import give_certificate, why_no_certificate
from sessions_app.hosts.flows.ssh_keys import add_key, remove_key
from sessions_app.hosts.forms import CertificateForm, KeyForm
from sessions_app.hosts.models import UserKey
from sessions_app.logins.backend import current_login
from sessions_app.outcome import confirmation
from sessions_app.privileged.flows.permission import RELATED
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.roles import Person

get_or_post = require_http_methods(["GET", "HEAD", "POST"])


@sensitive_post_parameters("key")
@sensitive_variables("form")
@never_cache
@get_or_post
def ssh_key_add(request: HttpRequest) -> HttpResponse:
    """Register a public key."""
    form = KeyForm(request.POST if request.method == "POST" else None, label_suffix="")
    if form.is_valid():
        try:
            key = add_key(viewer(request), title=form.cleaned_data["title"], line=form.cleaned_data["key"])
        except Refused as refusal:
            form.add_error(refusal.field or None, refusal.message)
        else:
            messages.success(request, f"Registered the SSH key “{key.title}”, {key.fingerprint}.")
            return redirect("account")
    context = {"heading": "Register an SSH key", "form": form, "page_url": reverse("account")}
    return render(request, "sessions_app/hosts/ssh_key_add.html", context, status=422 if form.is_bound else 200)


@get_or_post
def ssh_key_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a confirmation (GET), or remove one of one's own keys (POST)."""
    person = viewer(request)
    key = get_object_or_404(UserKey, pk=pk, user_id=person.pk)
    form = forms.Form(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            remove_key(person, key)
        except Refused as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, f"Removed the SSH key “{key.title}”.")
        return redirect("account")
    context = {"key": key, "form": form, "page_url": reverse("account")}
    return confirmation(request, "sessions_app/hosts/ssh_key_remove.html", context)


@never_cache
@get_or_post
def session_certificate(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for the key (GET), or download the certificate (POST). Only for the session's own user."""
    person = viewer(request)
    session = get_object_or_404(PrivilegedSession.objects.visible_to(person).select_related(*RELATED), pk=pk)
    if session.user_id != person.pk:
        raise PermissionDenied("Only the person a session is for gets a certificate for it.")
    form = CertificateForm(person.pk, request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            certificate = give_certificate(person, session, form.cleaned_data["key"], login=current_login(request))
        except Refused as refusal:
            form.add_error(refusal.field or None, refusal.message)
        else:
            name = f"session-{session.pk}-cert.pub"
            headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
            return HttpResponse(certificate.line + "\n", content_type="text/plain", headers=headers)
    context = {
        "heading": f"Certificate for {session}",
        "number": session.pk,
        "session": session,
        "form": form,
        "refused": why_no_certificate(session, timezone.now()),
        "has_keys": UserKey.objects.filter(user_id=person.pk).exists(),
        "page_url": session.get_absolute_url(),
        "ssh_command": ssh_command(session, f"-i ~/.ssh/id_ed25519 -o CertificateFile=session-{session.pk}-cert.pub "),
    }
    status = 422 if form.is_bound else 200
    return render(request, "sessions_app/hosts/session_certificate.html", context, status=status)


def certificate_context(person: Person, session: PrivilegedSession) -> dict[str, Any]:
    """Return the template context for the session's page: how to log in, and the certificate if the person gets one."""
    is_offered = session.user_id == person.pk and not why_no_certificate(session, timezone.now())
    return {"offers_certificate": is_offered, "ssh_command": ssh_command(session)}


def ssh_command(session: PrivilegedSession, options: str = "") -> str:
    """Return the line that a person types to log in to the session's host without the gateway."""
    port = f"-p {session.resource.port} " if session.resource.port != 22 else ""
    return f"ssh {port}{options}{session.login_account}@{session.resource.address}"
