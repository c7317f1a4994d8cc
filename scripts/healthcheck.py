"""Ask the console in this container whether it can serve, for HEALTHCHECK.

The exit code is 0 when /healthz says so. Django is not started, because this runs every half minute.
"""

import http.client
import os
import sys


def main() -> int:
    """Return 0 when the console is healthy; otherwise 1, with the reason on stderr."""
    host = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")[0].strip().lstrip(".")
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT", "8000")), timeout=4)
    try:
        connection.request("GET", "/healthz", headers={"Host": host})
        status = connection.getresponse().status
    except OSError as error:
        print(f"no answer: {error}", file=sys.stderr)
        return 1
    if status != 200:
        print(f"/healthz answered {status}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
