# `make help` lists the targets. A fresh Debian 12 needs git, make and python3; the rest is installed by what needs it.

PYTHON ?= $(shell for python in python3 python3.15 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# PARTIAL=1 tests on the interpreters that can be had, and does not fail for those that cannot.
PARTIAL ?=

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint bench interpreters stress docs clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-13s %s\n' "$$name" "$$text"; done
	@echo 'ARGS="..." is handed on by test, stress, bench and demo; PARTIAL=1 tests on the interpreters at hand.'

venv: $(VENV)/.stamp ## Set up .venv with the project and its development tools

$(VENV)/.stamp: pyproject.toml
	@test -n "$(PYTHON)" || { echo "covattach needs Python 3.11 or newer to run: install it, or give PYTHON=/path/to/python3" >&2; exit 1; }
	@PYTHON=$(PYTHON) tools/bootstrap.sh venv
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --editable '.[dev]'
	@touch $@

demo: venv ## Attach to a running demo server and show what it executes
	@tools/bootstrap.sh attach
	$(BIN)/covattach demo $(ARGS)

interpreters: venv ## Provide the interpreters that the tests attach to (3.9 to 3.15)
	@tools/bootstrap.sh test
	@$(BIN)/python tools/interpreters.py get $(if $(PARTIAL),--partial)

# Compiled once: where PYTHONDONTWRITEBYTECODE is set, thousands of commands would do so each.
test: venv interpreters ## Run the tests on every interpreter
	@$(BIN)/python -m compileall -q covattach payloads
	$(BIN)/python -m pytest -q -m "not stress" -n auto --dist worksteal $(ARGS)

stress: venv interpreters ## Run the long tests (in parts: ARGS="--minutes 45 --resume")
	$(BIN)/python -m pytest -q -m stress $(ARGS)

lint: venv ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict covattach payloads

# What is compared with is of no use to the tests: only a bench installs it.
$(VENV)/.bench: $(VENV)/.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --editable '.[dev,bench]'
	@touch $@

bench: venv interpreters $(VENV)/.bench ## Measure pauses, overhead and losses
	$(BIN)/python -m bench $(ARGS)

docs: venv ## Write the command reference anew
	$(BIN)/python tools/reference.py

clean: ## Remove what make made in the checkout (the interpreters stay in their cache)
	rm -rf $(VENV) build dist htmlcov .coverage .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
