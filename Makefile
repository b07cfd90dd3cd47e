# Needs Python 3.11 or newer, make and a package index.

VENV ?= .venv
PYTHON ?=
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
PYTEST := pytest -n auto --maxprocesses 8 --dist loadfile
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
ARGS ?=
ROUNDS ?= 50
STORE ?= both
TIMES ?= 10000
SEED ?= 1
SECONDS ?= 60
NODES ?= 3
USUAL ?= 3
WORKERS ?= 1
MINUTES ?= 30
ROWS ?=

.DEFAULT_GOAL := help
.PHONY: help run setup test test-unit coverage bench garden killtest acknowledge chaos soak check lint format reasons \
    screenshots dist lock upgrade clean forget

help:
	@echo 'make run                 try Wardgate in front of a sample API; its data stays in ./var'
	@echo 'make run UPSTREAM=URL    the same in front of your own API'
	@echo 'make run LISTEN=HOST:PORT ADMIN=HOST:PORT'
	@echo '                         the same, where other programs use 127.0.0.1:8080 and 8081'
	@echo 'make test [ARGS=...]     all tests (ARGS goes to pytest)'
	@echo 'make test-unit           the fast ones: those that start neither a process nor a whole gateway'
	@echo 'make coverage            all tests, and which branches of the code they took'
	@echo 'make bench [ROWS=a,b]    measure the gateway beside nginx and others (ARGS: --help lists them)'
	@echo 'make garden [ARGS=...]   many odd requests at servers of all kinds (ARGS: --seed N --count N)'
	@echo 'make killtest ROUNDS=50 STORE=both'
	@echo '                         kill the server and its store amid changes, and look for what was lost (STORE:'
	@echo '                         sqlite, postgres or both)'
	@echo 'make acknowledge TIMES=10000'
	@echo '                         revoke a key and wait, again and again; the next request elsewhere is refused'
	@echo 'make chaos SEED=1 SECONDS=60 NODES=3 WORKERS=1'
	@echo '                         break what is between and in several nodes, and check what they promise'
	@echo 'make soak MINUTES=30     a steady load: do memory, handles and latency stay as they are? (ARGS: --help)'
	@echo 'make check               lint, format, types, import contracts'
	@echo 'make reasons             write docs/reasons.md anew, from the code'
	@echo 'make screenshots         take the pictures in docs/images anew, with Chromium'
	@echo 'make format              format the code and sort its imports'
	@echo 'make dist                build the sdist and the wheel into ./dist'
	@echo 'make lock                write constraints.txt and the locks anew, where pyproject.toml has changed'
	@echo 'make upgrade             the same with the newest versions of everything'
	@echo 'make clean               remove what was built and installed here; keeps ./var'
	@echo 'make forget              remove ./var, with every key in it'

run: $(RUNTIME)
	@exec $(VENV)/bin/wardgate quickstart $(if $(UPSTREAM),--upstream '$(UPSTREAM)') \
	    $(if $(LISTEN),--listen '$(LISTEN)') $(if $(ADMIN),--admin-listen '$(ADMIN)')

setup: $(DEV)

test: $(DEV)
	$(VENV)/bin/python -m $(PYTEST) $(ARGS)

test-unit: $(DEV)
	$(VENV)/bin/python -m $(PYTEST) -m unit $(ARGS)

coverage: $(DEV)
	$(VENV)/bin/coverage erase
	$(VENV)/bin/coverage run -m $(PYTEST) $(ARGS)
	$(VENV)/bin/coverage combine --quiet
	$(VENV)/bin/coverage report

bench: $(DEV)
	$(VENV)/bin/python -m benchmarks $(if $(ROWS),--rows '$(ROWS)') $(ARGS)

garden: $(DEV)
	$(VENV)/bin/python -m tests.garden.run $(ARGS)

killtest: $(DEV)
	$(VENV)/bin/python -m tests.killtest --rounds $(ROUNDS) --store $(STORE)

chaos: $(DEV)
	$(VENV)/bin/python -m tests.chaos.run --seed $(SEED) --seconds $(SECONDS) --nodes $(NODES) --usual $(USUAL) \
	    --workers $(WORKERS)

soak: $(DEV)
	$(VENV)/bin/python -m tests.soak.run --minutes $(MINUTES) $(ARGS)

acknowledge: $(DEV)
	$(VENV)/bin/python -m tests.acknowledge --times $(TIMES)

check lint: $(DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

reasons: $(DEV)
	$(VENV)/bin/python -m tests.reasons > docs/reasons.md

screenshots: $(DEV)
	$(VENV)/bin/python -m tests.browser.screenshots

format: $(DEV)
	$(VENV)/bin/ruff check --fix-only --select I .
	$(VENV)/bin/ruff format .

dist: $(DEV)
	rm -rf dist
	$(VENV)/bin/python -m build --no-isolation

clean:
	rm -rf .venv .venv-* .coverage* build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find admin benchmarks proxy tests -name __pycache__ -prune -exec rm -rf {} +

forget:
	rm -rf var

# --- setting up ---

# The first of these that runs and is new enough, and rather one that was built with optimisations (PGO), as
# those of distributions are: a request takes less CPU with it (docs/benchmarks.md).
IS_NEW := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
IS_FAST := import sys, sysconfig; sys.exit(sys.base_prefix != "/usr" and \
    "--enable-optimizations" not in str(sysconfig.get_config_var("CONFIG_ARGS")))
$(VENV)/bin/python:
	@for rather in '$(IS_FAST)' pass; do \
	    for python in $(or $(PYTHON),python3.13 python3.12 python3.11 python3); do \
	        if $$python -c '$(IS_NEW)' 2>/dev/null && $$python -c "$$rather"; then \
	            echo "Making $(VENV) with $$python ..."; \
	            exec $$python -m venv --clear $(VENV); \
	        fi; \
	    done; \
	done; \
	echo 'make: no Python 3.11 or newer found (looked for $(or $(PYTHON),python3.13, .12, .11, python3))' >&2; exit 1

# install FILE: every package that FILE lists, by hash. A line for each, so that nobody thinks it hangs;
# pip's errors as they are. The pipe would hide pip's exit status, so it goes through a file.
define install
@echo "Installing what $(1) lists into $(VENV), in half a minute or so ..."
@{ $(PIP) install --progress-bar off --no-build-isolation --require-hashes -r $(1); \
    echo $$? > $(VENV)/.status; } | \
    while read -r word name rest; do case $$word in \
        Collecting) echo "  $$name";; \
        Installing) echo "  putting it all in place";; \
    esac; done; \
    exit $$(cat $(VENV)/.status)
endef

$(RUNTIME): pyproject.toml requirements.lock | $(VENV)/bin/python
	$(call install,requirements.lock)
	@$(PIP) install --quiet --no-index --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	$(call install,requirements-dev.lock)
	@touch $@

# --- versions ---

UV := $(VENV)/bin/uv
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
    --upgrade --no-annotate --custom-compile-command 'make lock'

# constraints.txt says which versions, the locks add the hashes of their files for every platform.
# `lock` keeps the versions that constraints.txt has, `upgrade` takes the newest. setuptools is among
# them: it builds the project itself, and what the tests use and has no wheel.
lock upgrade: $(UV)
	echo setuptools | $(COMPILE) pyproject.toml - --extra dev \
	    $(if $(filter lock,$@),-c constraints.txt) -o $(VENV)/.pins
	{ sed -n '/^#/p' constraints.txt; sed '/^#/d; s/ ;.*//' $(VENV)/.pins; } > $(VENV)/.constraints
	cp $(VENV)/.constraints constraints.txt
	echo setuptools | $(COMPILE) pyproject.toml - -c constraints.txt --generate-hashes \
	    -o requirements.lock
	$(COMPILE) pyproject.toml --extra dev -c constraints.txt --generate-hashes \
	    $$(sed -n 's/^\([a-z0-9.-]*\)==.*/--no-emit-package \1/p' requirements.lock) \
	    -o requirements-dev.lock
	$(COMPILE) pyproject.toml --extra postgres -c constraints.txt --generate-hashes \
	    $$(sed -n 's/^\([a-z0-9.-]*\)==.*/--no-emit-package \1/p' requirements.lock) \
	    -o requirements-postgres.lock

$(UV): | $(VENV)/bin/python
	$(PIP) install --quiet uv==0.13.9
