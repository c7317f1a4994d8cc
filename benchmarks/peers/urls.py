"""The addresses of the console and of the peers."""

from benchmarks.peers import export, log
from sessionadmin.urls import handler400, handler403, handler404, handler500
from sessionadmin.urls import urlpatterns as ours

__all__ = ["handler400", "handler403", "handler404", "handler500"]
urlpatterns = [*log.urlpatterns, *export.urlpatterns, *ours]
