# Each target builds the environment it needs once, from constraints.txt, and starts at once on the next call: the demo
# has a small one of its own, the tests and checks share .venv, which `make docs` and `make test-all` add to.
# uv builds them when it is on the PATH, pip when it is not.
# PYTHON may name any Python of version 3.11 or newer:  make test PYTHON=/usr/bin/python3.12

VENV := .venv
BIN := $(VENV)/bin
DEMO := .venv-demo
READY := $(VENV)/.ready
READY_FOR_ALL := $(VENV)/.ready-for-all
READY_FOR_DEMO := $(DEMO)/.ready
COMMA := ,
PINNED := pyproject.toml constraints.txt

UV := $(shell command -v uv 2>/dev/null)
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	if $$python -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then echo $$python; break; fi; done)

# The fast gear leaves out what is marked slow and tries fewer examples of each property. The other gear is what the
# first leaves out, so that `make test test-all` runs each test of the two once.
PYTEST := $(BIN)/python -m pytest -q -n auto --dist worksteal
FAST := -m 'not slow'
# Files or folders to test instead of all:  make test TESTS=tests/events
TESTS ?=
THOROUGH := -m 'slow or hypothesis or counted' --hypothesis-profile thorough

# The tests start many processes, and with bytecode that is kept each of them starts a second sooner.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-all soak test-aws lint format docs constraints clean

help:
	@echo "make demo      show an agent remember, on the embedded memory"
	@echo "make test      run every test that a change can break, in a few minutes"
	@echo "make test-all  run those and the rest: full property counts, notebooks, fresh installations, oldest and newest"
	@echo "make soak      run fault matrix, schedules, fuzzing and load for an hour, or SECONDS=..."
	@echo "make test-aws  run the official-client tests against a real AWS account, which they use and clean up"
	@echo "make lint      check style, types and imports"
	@echo "make format    format the code"
	@echo "make docs      build the documentation into site/"
	@echo "make constraints  write constraints.txt anew, with the newest releases"
	@echo "make clean     remove environments and caches"

demo: $(READY_FOR_DEMO)
	@$(DEMO)/bin/agentmem demo

test: $(READY)
	@$(PYTEST) $(FAST) $(TESTS)

test-all: test $(READY_FOR_ALL)
	@AGENTMEM_SOAK=1 $(PYTEST) $(THOROUGH)

# The long forms of the proofs, inside a time:  make soak SECONDS=600
SECONDS ?= 3600
soak: $(READY)
	@$(BIN)/python bench/soak.py --seconds $(SECONDS)

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
docs: $(READY_FOR_ALL)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "site/index.html; its search works when it is served: python -m http.server -d site"

$(READY_FOR_DEMO): $(PINNED)
	$(call new,$(DEMO),about 75 packages$(COMMA) 90 MB to download and 250 MB on disk)
	$(call install,$(DEMO),.[all])
	@touch $@

$(READY): $(PINNED)
	$(call new,$(VENV),about 140 packages$(COMMA) 140 MB to download and 500 MB on disk)
	$(call install,$(VENV),.[dev])
	@touch $@

$(READY_FOR_ALL): $(READY)
	@echo "Adding what builds the documentation, runs the notebooks and drives a browser to $(VENV): about 100" \
		"packages, 110 MB to download and 480 MB on disk; this happens once."
	$(call install,$(VENV),.[dev$(COMMA)docs$(COMMA)notebooks$(COMMA)browser])
	@touch $@

ifdef UV
TOOL := uv
define install
	@$(UV) pip install --quiet --compile-bytecode --python $(1) --constraint constraints.txt \
		--build-constraint constraints.txt --editable '$(2)'
endef
else
TOOL := pip
# The build backend is pinned too: pip reads one of the two variables, by its version.
define install
	@PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
		$(1)/bin/python -m pip install --quiet --no-input --editable '$(2)'
endef
endif

define new
	@if ! $(or $(PYTHON),false) -c '$(NEW_ENOUGH)' 2>/dev/null; then \
		echo "agentmem needs Python 3.11 or newer. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; fi
	@echo "Building $(1) with $(TOOL) and $(PYTHON): $(2); this happens once."
	@$(if $(UV),$(UV) venv --quiet --clear --python $(PYTHON) $(1),$(PYTHON) -m venv --clear $(1))
endef

# From the oldest Python that is supported, because some packages drop even its patch releases.
constraints:
	$(call new,.fresh,the newest release of everything)
	@$(if $(UV),$(UV) pip install --quiet --python .fresh,.fresh/bin/python -m pip install --quiet) \
		--editable '.[dev,docs,notebooks,browser]'
	@{ echo "# Exact versions of everything an environment can hold; written by \`make constraints\`."; \
		$(if $(UV),$(UV) pip freeze --python .fresh,.fresh/bin/python -m pip freeze) --exclude-editable; \
		} > constraints.txt
	@rm -rf .fresh

clean:
	rm -rf $(VENV) $(DEMO) .fresh site .mypy_cache .pytest_cache .ruff_cache .hypothesis
