# `make demo` and `make test` are the whole set-up: a Python 3.11 or later and make are all they need.
# Everything they build is in .venv, node_modules and var, and is built again only when what it comes from changes.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

PY := .venv/bin/python
INSTALL := $(PY) consortium/management/install.py
CATALOGUES := $(wildcard locale/*/LC_MESSAGES/*.po)

.PHONY: help setup-node setup-dev setup-browser locks demo demo-reset walkthrough check test bench crash clean

help:
	@echo "make demo        a small consortium on this machine: two hospitals and a chain; Ctrl-C ends it"
	@echo "make demo-reset  forget the demonstration's data"
	@echo "make walkthrough the story, by HTTP, against the running demonstration"
	@echo "make test        every test"
	@echo "make check       style, types, room borders, migrations, lock files"
	@echo "make bench       the table of speeds, beside this machine's limits"
	@echo "make crash       200 kills at random points of an import"
	@echo "make locks       resolve the lock files again after a change of pyproject.toml"

# --- set-up ---------------------------------------------------------------------------------------------------

.venv/.made:
	@for candidate in python3.11 python3.12 python3.13 python3 python; do \
	  if command -v $$candidate >/dev/null 2>&1 && \
	     $$candidate -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "making .venv with $$candidate"; $$candidate -m venv .venv && touch $@ && exit 0; exit 1; \
	  fi; \
	done; echo "A Python 3.11 or later with its venv module is needed (on Debian: apt install python3-venv)." >&2; exit 1

.venv/.node: requirements-uv.lock requirements-node.lock | .venv/.made
	@echo "installing the server's packages"
	@$(INSTALL) python requirements-node.lock
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.node
	@echo "installing what checks and tests need"
	@$(INSTALL) python requirements-dev.lock
	@touch $@

node_modules/.installed: package.json package-lock.json .venv/.node
	@echo "installing the browser's packages, the definitions of FHIR and the chain node"
	@$(INSTALL) npm
	@touch $@

var/.definitions: node_modules/.installed $(wildcard records/fhir/definitions/*.py)
	@echo "compiling the definitions of FHIR"
	@mkdir -p var && $(PY) -m records.fhir.definitions build >/dev/null
	@touch $@

var/.translations: $(CATALOGUES) .venv/.node
	@mkdir -p var
	@$(PY) manage.py translations compile
	@touch $@

setup-node: var/.definitions var/.translations
setup-dev: setup-node .venv/.dev

# The browser tests need a Chromium. Debian's is installed where we may; elsewhere those tests say that they were skipped.
setup-browser:
	@for name in chromium chromium-browser google-chrome-stable; do command -v $$name >/dev/null 2>&1 && exit 0; done; \
	if ! command -v apt-get >/dev/null 2>&1; then echo "No Chromium here and no apt: the browser tests will be skipped."; exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then SUDO=; elif sudo -n true 2>/dev/null; then SUDO="sudo -n"; \
	else echo "No Chromium here and no right to install it: the browser tests will be skipped."; exit 0; fi; \
	echo "installing Chromium"; \
	{ $$SUDO apt-get install -y -qq --no-install-recommends chromium || \
	  { $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq --no-install-recommends chromium; }; } >/dev/null 2>&1 \
	|| echo "Chromium could not be installed: the browser tests will be skipped."

locks: .venv/.dev
	@$(PY) -m consortium.management.locks write

# --- run ------------------------------------------------------------------------------------------------------

demo: setup-node
	@exec $(PY) manage.py demo

demo-reset: setup-node
	@$(PY) manage.py demo --reset

walkthrough: setup-node
	@$(PY) manage.py demo --walkthrough

# --- check ----------------------------------------------------------------------------------------------------

check: setup-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(PY) -m consortium.management.locks
	.venv/bin/lint-imports
	.venv/bin/mypy --explicit-package-bases .
	$(PY) -m consortium.management.withdatabase manage.py check --fail-level WARNING
	$(PY) -m consortium.management.withdatabase manage.py makemigrations --check --dry-run

test: setup-dev setup-browser
	$(PY) -m pytest -n 2 --dist loadfile

bench: setup-dev
	$(PY) -m tests.benchmarks

crash: setup-dev
	$(PY) -m tests.crash --kills 200

clean:
	rm -rf .venv node_modules var .mypy_cache .ruff_cache .pytest_cache
