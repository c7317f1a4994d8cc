"""Lists the peers that are installed. With BENCH_WITHOUT_PEERS in the environment none of them counts."""

import os
from importlib.util import find_spec

WITHOUT = "BENCH_WITHOUT_PEERS" in os.environ
PEERS = {
    name: not WITHOUT and find_spec(name) is not None
    for name in ("django_tables2", "import_export", "allauth", "user_sessions")
}
