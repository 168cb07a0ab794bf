# `make run` is the main job, `make up` opens Airflow's UI, `make test` runs the tests. Each sets up what it needs.
# Needs Python 3.11 or later (with venv and pip) and make, nothing else.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# How many tests run at the same time.
SIDE_BY_SIDE ?= 2

unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV

# A value given to make, quoted for the shell: blanks, quotes and dollar signs stay what they are.
quoted = '$(subst ','\'',$(value $(1)))'
option = $(if $(value $(1)),$(2) $(call quoted,$(1)))
run_options = $(call option,TABLES,--tables) $(call option,TABLE,--table) $(call option,DELTA,--delta) \
  $(call option,SOURCE,--source)

.DEFAULT_GOAL := help
.PHONY: help setup run up shell docs pictures test test-thorough test-services quick bench proof audit lint format dist clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

setup: $(READY) ## the virtual environment in .venv, in the locked versions

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or later is needed, and $(PYTHON) is not: name one with make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "$(PYTHON) cannot make virtual environments: install its venv and pip packages" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@# uv takes seconds; pip, which some need for the package index it is configured with, takes a minute.
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -r requirements.lock || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e . || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

run: setup ## the main job: [TABLES=<folder> TABLE=<name> DELTA=<column> SOURCE=<source>] lands in a dataset of the local AEP
	@$(BIN)/python scripts/run.py $(run_options)

up: setup ## Airflow's UI and the local AEP, until Ctrl-C: [TABLES=<folder>]
	@$(BIN)/python scripts/up.py $(call option,TABLES,--tables)

shell: setup ## a shell in which `airflow` and `aep-local` are those of `make up`
	@$(BIN)/python scripts/environment.py "$${SHELL:-/bin/sh}"

docs: setup ## the site of docs/, into build/site; broken links and warnings fail
	@$(BIN)/python -m sphinx --builder html --fresh-env --write-all --fail-on-warning --keep-going --jobs auto --quiet docs build/site
	@echo "build/site/index.html"

pictures: setup ## the pictures in docs/images, taken of a `make up` of their own; needs Chromium
	@$(BIN)/python scripts/pictures.py

test: setup ## all tests that need nothing but this machine
	@$(BIN)/python -m pytest -n $(SIDE_BY_SIDE) --dist worksteal -m "not service and not thorough"

test-thorough: setup ## every setting of every switch, every place to be killed at: takes a quarter of an hour
	@$(BIN)/python -m pytest -n $(SIDE_BY_SIDE) --dist worksteal -m "thorough and not service"

test-services: setup ## the tests that need PostgreSQL on 127.0.0.1, and a Redis to start; they are skipped without
	@$(BIN)/python -m pytest -m service tests/e2e

quick: setup ## the tests that take seconds
	@$(BIN)/python -m pytest -n $(SIDE_BY_SIDE) -m "not slow and not e2e and not browser and not service and not thorough"

bench: setup ## what is fast and cheap about it, measured side by side: takes minutes
	@$(BIN)/python benchmarks/imports.py
	@$(BIN)/python benchmarks/specs.py
	@$(BIN)/python benchmarks/provisioning.py
	@$(BIN)/python benchmarks/windows.py
	@$(BIN)/python benchmarks/waits.py
	@$(BIN)/python benchmarks/page.py

proof: setup ## nothing twice, lost or leaked under faults and kills, beside what people write today: takes a quarter of an hour
	@$(BIN)/python -m tests.proof.table

audit: setup ## known vulnerabilities of the locked versions; needs the public advisories
	@$(BIN)/uv tool run --quiet pip-audit --strict --disable-pip --no-deps -r requirements.lock

lint: setup ## ruff, its formatter, and mypy
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@MYPYPATH=scripts $(BIN)/mypy scripts/*.py
	@MYPYPATH=benchmarks:scripts $(BIN)/mypy benchmarks/*.py
	@MYPYPATH=docs/_site:plugins:include $(BIN)/mypy docs/conf.py docs/_site/*.py

format: setup ## lets ruff put the code in form
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

dist: setup ## the wheel and the sdist, in dist/
	@rm -rf dist
	@$(BIN)/python -m hatchling build -t sdist -t wheel

clean: ## what runs and tests left behind: state, logs, caches (.venv stays)
	@rm -rf .airflow .local .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
