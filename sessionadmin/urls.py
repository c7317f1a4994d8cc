"""The addresses of the whole site."""

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.http import require_safe

from sessions_app.worker.health.writing import probe


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer load balancers: 200 when the database can be written, else 503 with the reason."""
    outage = probe.look()
    if outage is None:
        return HttpResponse("ok", content_type="text/plain")
    headers = {"Retry-After": str(outage.retry_after)}
    return HttpResponse(f"{outage.heading}.", status=503, content_type="text/plain", headers=headers)


urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
    path("activity/", include("activity.urls")),
    path("views/", include("activity.saved_views.urls")),
    path("", include("sessions_app.urls")),
]
handler400 = "sessions_app.error_pages.bad_request"
handler403 = "sessions_app.error_pages.forbidden"
handler404 = "sessions_app.error_pages.not_found"
handler500 = "sessions_app.error_pages.server_error"
