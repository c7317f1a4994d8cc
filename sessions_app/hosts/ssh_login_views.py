"""Answers `sessionadmin ssh` on a person's own machine: where their session is, and a certificate that opens it.

The answers are JSON for that program; people use the page of the certificate.
"""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from activity.typed import Unreadable, typed
from activity.viewer import viewer
from sessions_app.errors import Refused
from sessions_app.hosts.flows.certificate import give_certificate_for, session_to_log_in_to
from sessions_app.hosts.ssh.keys import LONGEST_KEY_LINE as LONGEST_KEY
from sessions_app.logins.backend import current_login


@sensitive_post_parameters("key")
@never_cache
@require_POST
def ssh_login(request: HttpRequest) -> JsonResponse:
    """Return the session's host and a certificate; 422 with the problem if that is refused.

    `session` is a number or the name of a host, and `key` is the public key to sign. The answer has the pinned host
    key, so that the person's ssh trusts what the console trusts.
    """
    person = viewer(request)
    try:
        session = session_to_log_in_to(person, typed(request.POST, "session"))
        key, login = typed(request.POST, "key", LONGEST_KEY), current_login(request)
        certificate = give_certificate_for(person, session, key, login=login)
    except Unreadable as problem:
        return JsonResponse({"problem": f"The request was not understood. {problem}"}, status=400)
    except Refused as refusal:
        return JsonResponse({"problem": refusal.message}, status=422)
    resource = session.resource
    return JsonResponse(
        {
            "session": session.pk,
            "account": session.login_account,
            "address": resource.address,
            "port": resource.port,
            "host_key": resource.host_key,
            "certificate": certificate.line,
            "valid_until": certificate.valid_until.isoformat(),
        }
    )
