# Two commands matter: `make run` tries the console out, `make test` runs every test.
# `make check` looks at the code without running it. The work is done in scripts/, which say how.

PORT ?= 8000
EMPTY ?=
SIZE ?= small
MINUTES ?= 30
export PORT EMPTY

# The newest of these that is Python 3.11 or later builds the environment; PYTHON=... decides otherwise.
CANDIDATES = python3 python3.14 python3.13 python3.12 python3.11 python
IS_NEW_ENOUGH = import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do $$p -c '$(IS_NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)

.PHONY: help run test fuzz check mutants bench bench-grants bench-gateway soak lock clean

help:
	@echo "make run     serve the console on http://127.0.0.1:$(PORT) with sample data"
	@echo "             PORT=9000 another port, EMPTY=1 no sample data, only a first administrator"
	@echo "make test    run every test, in a browser and on PostgreSQL too"
	@echo "             ARGS=tests/privileged/test_lock.py one file, in seconds; ARGS='-k lock' what is called so"
	@echo "make check   lint, types, imports, templates, migrations, production settings"
	@echo "make mutants change the code in 60 small ways, and print those that no test notices (two hours, see scripts/mutants)"
	@echo "make fuzz    300,000 made-up requests to every address and form (REQUESTS=3000, SEED=7), an hour or two"
	@echo "make bench   measure beside what others would use; SIZE=1m or 10m for more rows, see docs/performance.md"
	@echo "make bench-grants   give and take away 200 sessions on 20 hosts, one of them dead (root, with sshd)"
	@echo "make bench-gateway  the gateway beside sshd and a jump host, and 500 people through it (root, with sshd)"
	@echo "make soak    work, kill and break for MINUTES=30, then say what was left (root, with sshd; docs/performance.md)"
	@echo "make lock    write the lock files anew (UPGRADE=1: with the newest versions)"
	@echo "make clean   remove the environment and caches; data in var/ stays"

run: .venv/installed-to-run
	@.venv/bin/python -m scripts.run

test: .venv/installed-to-develop
	@.venv/bin/python -m scripts.test $(ARGS)

fuzz: .venv/installed-to-develop
	@.venv/bin/python -m scripts.fuzz

check: .venv/installed-to-develop
	@.venv/bin/python -m scripts.check

mutants: .venv/installed-to-develop
	@.venv/bin/python -m scripts.mutants $(ARGS)

bench: .venv/installed-to-develop .venv/installed-to-bench
	@.venv/bin/python -m benchmarks --size $(SIZE) $(ARGS)

bench-grants: .venv/installed-to-develop
	@.venv/bin/python -m benchmarks.grants $(ARGS)

bench-gateway: .venv/installed-to-develop
	@.venv/bin/python -m benchmarks.gateway $(ARGS)

soak: .venv/installed-to-develop
	@.venv/bin/python -m benchmarks.soak --minutes $(MINUTES) $(ARGS)

lock:
	@PYTHON=$(PYTHON) scripts/lock.sh

clean:
	rm -rf .venv node_modules build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# Stamp files: a second run installs nothing and does not even ask.
.venv/installed-to-run: requirements.lock pyproject.toml scripts/install.py
	@$(or $(PYTHON),$(error Python 3.11 or later was not found. Nothing was installed. Install it, or name it with PYTHON=/path/to/python)) scripts/install.py run

.venv/installed-to-develop: requirements-dev.lock requirements.lock pyproject.toml scripts/install.py
	@$(or $(PYTHON),$(error Python 3.11 or later was not found. Nothing was installed. Install it, or name it with PYTHON=/path/to/python)) scripts/install.py develop

.venv/installed-to-bench: requirements-bench.lock scripts/install.py .venv/installed-to-develop
	@.venv/bin/python scripts/install.py bench
