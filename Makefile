# One command each: every target sets the workspace up first (a no-op when nothing changed).
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup demo run test test-full check mutate bench contracts client lock format clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PACKAGES := libs/egovkit libs/egovlaw libs/egovgateway libs/egovregister libs/egovorigin gateway-shep regional-gateway-rshep \
            portal-pep con-arm gbd-fl-mock enis-mock services/provider-arm services/nuc-mock services/registers-mock services/ncalayer-mock sandbox
SOURCES := $(addsuffix /src,$(PACKAGES))
ARGS ?=

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## create .venv from the lock and install the packages into it

# The stamp is younger than the lock and every pyproject, or the environment is installed again.
$(STAMP): requirements.lock tools/setup.sh $(addsuffix /pyproject.toml,$(PACKAGES))
	@VENV=$(VENV) sh tools/setup.sh $(PACKAGES)
	@touch $@

demo: $(STAMP) ## start everything, run one application and one refusal, stay up (ARGS=--once exits)
	@$(BIN)/egov demo $(ARGS)

run: $(STAMP) ## start every service in one process (ARGS="--ports auto", ARGS="--production --amqp URL --db URL")
	@$(BIN)/egov up $(ARGS)

test: $(STAMP) ## all tiers: unit, service, connected, e2e, contracts (ARGS=unit,service runs some)
	@$(BIN)/python tools/run_tests.py $(ARGS)

test-full: $(STAMP) ## the same with the long variants (whole negative matrix, more kill-and-restart rounds)
	@EGOV_TEST_FULL=1 $(BIN)/python tools/run_tests.py $(ARGS)

check: $(STAMP) ## style, types, import rules, locks without addresses
	@BIN=$(BIN) sh tools/check.sh $(SOURCES) partner-kit/python/src

mutate: $(STAMP) ## change 50 limits and routes of the law, one at a time; a test must notice each (ARGS="--count N --seed N")
	@$(BIN)/python tools/mutate.py $(ARGS)

bench: $(STAMP) ## measure what runs, on private servers (ratios of one run, never tests)
	@$(BIN)/egov bench start --json
	@$(BIN)/egov bench commands --json
	@$(BIN)/egov bench catalogue --json
	@$(BIN)/egov bench gateway --json
	@$(BIN)/egov bench e2e --json
	@$(BIN)/egov bench query --json
	@$(BIN)/egov bench replay --json
	@$(BIN)/egov bench deadlines --json
	@$(BIN)/egov bench conformance --json
	@$(BIN)/egov bench signatures --json
	@$(BIN)/egov bench evidence --json
	@$(BIN)/egov bench pages --json

contracts: $(STAMP) ## write contracts/ and docs/reference/errors again from code and contracts, and lint them (npm)
	@$(BIN)/egov contracts write
	@$(BIN)/egov contracts lint

client: $(STAMP) ## generate the partners' Python client into dist/client
	@$(BIN)/egov contracts client dist/client

lock: $(STAMP) ## resolve the dependencies again and write requirements.lock (hashes, no addresses)
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m uv lock
	$(BIN)/python -m uv export --quiet --no-emit-workspace --all-packages --format requirements-txt --no-header -o requirements.lock

format: $(STAMP) ## let ruff write the style it checks
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format .

clean: ## remove the environment and every cache (not .egov)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
