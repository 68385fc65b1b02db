# Each target builds .venv once from constraints.txt and starts at once on the next call.
# PYTHON may name any Python of version 3.11 or newer:  make test PYTHON=/usr/bin/python3.12

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	if $$python -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then echo $$python; break; fi; done)

.DEFAULT_GOAL := help
.PHONY: help demo test test-aws lint format docs clean

help:
	@echo "make demo    show an agent remember, on the embedded memory"
	@echo "make test    run the tests"
	@echo "make test-aws  run the official-client tests against a real AWS account, which they use and clean up"
	@echo "make lint    check style, types and imports"
	@echo "make format  format the code"
	@echo "make docs    build the documentation into site/"
	@echo "make clean   remove .venv and caches"

demo: $(READY)
	@$(BIN)/agentmem demo

test: $(READY)
	@$(BIN)/python -m pytest -q -n auto --dist worksteal

test-aws: $(READY)
	@AGENTMEM_TEST_AWS=1 $(BIN)/python -m pytest -q -rs tests/local/test_official_clients.py

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache

format: $(READY)
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format .

# Not --quiet: mkdocs would not count warnings then.
docs: $(READY)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "site/index.html; its search works when it is served: python -m http.server -d site"

# The build backend is pinned too: pip reads one of the two variables, by its version.
$(READY): pyproject.toml constraints.txt
	@if ! $(or $(PYTHON),false) -c '$(NEW_ENOUGH)' 2>/dev/null; then \
		echo "agentmem needs Python 3.11 or newer. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; fi
	@echo "Building $(VENV) with $(PYTHON); this happens once."
	@$(PYTHON) -m venv --clear $(VENV)
	@PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
		$(BIN)/python -m pip install --quiet --no-input --editable '.[dev]'
	@touch $(READY)

clean:
	rm -rf $(VENV) site .mypy_cache .pytest_cache .ruff_cache .hypothesis
