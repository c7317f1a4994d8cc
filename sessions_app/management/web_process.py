"""One web process of the server, which ends when the server is gone.

`python -m sessions_app.management.web_process <pid of the server> <file descriptor> <threads> <access log: 0 or 1>`
serves on the socket that the server has opened.
"""

import asyncio
import logging
import os
import resource
import socket
import sys

import django
import uvicorn
from django.conf import settings
from django.utils.module_loading import import_string

from sessions_app.management.companions import end_with_parent
from sessions_app.serving import connection
from sessions_app.serving.bridge import Bridge
from sessions_app.serving.connection import Connection
from sessions_app.serving.open_connections import OpenConnections

STOP_WITHIN = 8  # seconds for requests that are being answered; the server kills after ten
SOCKETS = 2000  # of one process
FOR_ITSELF = 200  # file descriptors that are no sockets of clients


def main(parent: int, descriptor: int, threads: int, *, has_access_log: bool) -> None:
    """Serve the listening socket `descriptor` until SIGTERM or until the process `parent` has ended."""
    end_with_parent(parent)
    django.setup()
    trusted = tuple(settings.TRUSTED_PROXIES)
    Connection.open_connections = OpenConnections(sockets_possible())
    Connection.trusted_proxies = trusted
    bridge = Bridge(
        import_string(settings.WSGI_APPLICATION),
        threads=threads,
        largest_body=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        trusted_proxies=trusted,
        session_cookie=settings.SESSION_COOKIE_NAME,
        spool=(settings.DOWNLOAD_SPOOL_BYTES, settings.VAR_DIR),
    )
    config = uvicorn.Config(
        bridge,
        interface="asgi3",
        http=Connection,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="error",  # what strangers do wrong is not worth a line
        access_log=has_access_log,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=int(connection.IDLE_SECONDS),
        timeout_graceful_shutdown=STOP_WITHIN,
    )
    if has_access_log:
        logging.getLogger("uvicorn.access").setLevel(logging.INFO)
    listening = socket.socket(fileno=descriptor)
    asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))


def sockets_possible() -> int:
    """Return how many sockets of clients this process may have.

    Its own limit of open files is raised as far as the system lets it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SOCKETS + FOR_ITSELF
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    possible = SOCKETS if soft == resource.RLIM_INFINITY else min(SOCKETS, soft - FOR_ITSELF)
    return max(possible, FOR_ITSELF)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sessionadmin.settings.production")
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), has_access_log=sys.argv[4] == "1")
