#!/bin/sh
# Writes requirements.lock, requirements-dev.lock and requirements-bench.lock: exact versions with hashes, for every platform and for
# Python 3.11 and later, without a single address. Called by `make lock`. uv is needed for nothing else, so it lives in
# an environment of its own.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
uv_version=0.13.9
tools=${LOCK_TOOLS:-var/lock-tools}

if ! "$tools/bin/uv" --version 2>/dev/null | grep -q "^uv $uv_version"; then
    "$python" -m venv "$tools"
    "$tools/bin/pip" install --quiet "uv==$uv_version"
fi

compile() {
    "$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header --system-certs "$@"
}

# An existing lock file is kept to where it still fits; UPGRADE=1 takes the newest of everything.
compile ${UPGRADE:+--upgrade} pyproject.toml --group build --output-file requirements.lock
compile ${UPGRADE:+--upgrade} pyproject.toml --group dev --constraints requirements.lock --output-file requirements-dev.lock
compile ${UPGRADE:+--upgrade} pyproject.toml --group bench --constraints requirements-dev.lock --output-file requirements-bench.lock
