"""Send made-up requests to every address and form of the console, on SQLite and PostgreSQL, for `make fuzz`.

REQUESTS is the number of requests, half of them for each database. SEED is where their seeds begin, so that another
seed sends other requests. The last lines of each scene say what was answered. A request that was answered with an error
of ours is printed with its seed.
"""

import os
import sys

from scripts import test

REQUESTS = 300_000


def main() -> int:
    """Send the requests. Return 0 when no answer was an error of ours."""
    requests = int(os.environ.get("REQUESTS", "") or REQUESTS)
    seed = int(os.environ.get("SEED", "") or 1)
    # -rP prints what a scene answered when it passes.
    return test.main(["tests/project/test_fuzz.py", f"--requests={requests // 2}", f"--first-seed={seed}", "-rP"])


if __name__ == "__main__":
    sys.exit(main())
