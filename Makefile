# The same commands for you, pre-commit and CI. `make` lists them.
# The first Python that runs and is new enough: a name on the PATH may be a shim with nothing behind it
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14; do \
  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
MARKS ?= not fault
TESTS ?= tests
FUZZ_SECONDS ?= 60
WEB := $(shell find dashboards/web dashboards/locale -type f -not -path '*/node_modules/*' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help demo serve test check lint fault bench fuzz docs format clean

help: ## List what make can do
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(BIN)/.installed ## Start the server with a simulated fleet on an embedded database
	@exec $(BIN)/telematics demo

serve: $(BIN)/.installed ## Start the server for real, with telematics.toml and TELEMATICS_… settings
	@exec $(BIN)/telematics serve

test: $(BIN)/.developer ## Run the tests, on an embedded PostgreSQL or the one in TELEMATICS_TEST_DATABASE_URL
	$(BIN)/pytest -q --numprocesses auto --maxprocesses 4 --dist loadfile -m "$(MARKS)" $(TESTS)

check: lint test ## Formatting, lint, types, import contracts and tests

lint: $(BIN)/.developer ## What check does without running the server: seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm --prefix dashboards/web run --silent check

fault: $(BIN)/.developer ## Kill the server and the database under load, again and again (minutes)
	$(BIN)/pytest -q -m fault

bench: $(BIN)/.developer ## Measure acknowledged positions a second against raw COPY (minutes)
	$(BIN)/python -m bench

fuzz: $(BIN)/.developer ## Feed every protocol with what no tracker sends, FUZZ_SECONDS each (minutes)
	@$(BIN)/pip install --quiet --disable-pip-version-check --group fuzz
	$(BIN)/python -m bench.fuzz --seconds $(FUZZ_SECONDS)

docs: $(BIN)/.installed ## Write docs/protocols.md, which is made from the code
	$(BIN)/python -m protocols.table

format: $(BIN)/.developer ## Put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove what make has made, but no data
	rm -rf .venv build dist dashboards/static/dist dashboards/web/node_modules

$(BIN)/.python:
	@test -n "$(PYTHON)" || \
	  { echo "Python 3.11 or newer is needed; name yours with: make PYTHON=/path/to/python3 …"; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "Python's venv module is needed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Setting up, once; takes about a minute …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@touch $@

$(BIN)/.installed: $(BIN)/.python pyproject.toml hatch_build.py $(WEB)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(BIN)/.developer: $(BIN)/.installed
	@$(BIN)/pip install --quiet --disable-pip-version-check --group dev
	@touch $@
