# Targets people and CI use; `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --warn-undefined-variables --no-print-directory

ifeq ($(origin PYTHON),undefined)
# Asked to run, not only looked up: version managers leave shims for versions that are not active.
PYTHON := $(or $(shell python3.11 -c 'print("python3.11")' 2>/dev/null),python3)
endif

ifeq ($(origin TASK),undefined)
TASK := Write a function that checks whether a number is prime, with tests
endif
ifeq ($(origin WORKFLOW),undefined)
WORKFLOW := code
endif
# What the user typed reaches the program byte for byte: make must not expand it (a task may hold
# `$(shell …)`), so its raw value is fixed here, and recipes read it from the environment.
override TASK := $(value TASK)
override WORKFLOW := $(value WORKFLOW)
export TASK WORKFLOW
STORES ?= kafka
SCALE ?=
SEEDS ?= 1-20
# One more than the smallest machine has cores: tests of processes wait for most of their time.
TEST_PROCESSES ?= 3
WEIGH ?=
export STORES SEEDS

BIN := .venv/bin
# Named so that `make --dry-run` runs nothing of it.
BESIDE = nice $(MAKE)
SOURCES = $(wildcard libs/*/src services/*/src clients/*/src) tools benchmarks conftest.py

.PHONY: help init ready run up down fleet fleet-down test chaos test-unit lint types schemas schemas-check bench clean lock

help: ## List the targets
	@echo 'Facilitair. The two to start with: make run, make test.'
	@echo
	@while IFS= read -r line; do \
		if [[ $$line =~ ^([a-z-]+):.*'## '(.*)$$ ]]; then \
			printf '  %-14s %s\n' "$${BASH_REMATCH[1]}" "$${BASH_REMATCH[2]}"; \
		fi; \
	done < Makefile

init: ## Set up .venv and nothing else (downloads are cached in $FACILITAIR_CACHE)
	@$(PYTHON) -m tools.install

ready:
	@$(PYTHON) -m tools.install --quiet

run: ready ## Run one collaboration here and stream it: make run TASK="…" WORKFLOW=code
	@$(BIN)/facilitair run --workflow "$$WORKFLOW" -- "$$TASK"

up: ready ## Start Facilitair on this machine and stay: API on 127.0.0.1:8080
	@$(BIN)/facilitair up

down: ready ## Stop what `up` started
	@$(BIN)/facilitair down

fleet: ready ## Start a real Kafka (Java 17, Maven) and every service as a process: SCALE="agent-worker=2"
	@$(BIN)/facilitair up --fleet --stores "$$STORES" $(foreach count,$(SCALE),--scale "$(count)")

fleet-down: ready ## Stop what `fleet` started
	@$(BIN)/facilitair down

# What takes a minute runs beside the tests, in what they leave of the processors.
test: ready ## Everything that can run here; with CI=true a skipped test is a failure
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@said=$$(mktemp); $(BESIDE) types schemas-check > "$$said" 2>&1 & checking=$$!; failed=0; \
	$(BIN)/pytest -m 'not chaos' --again $(WEIGH) -n $(TEST_PROCESSES) --dist loadfile || failed=1; \
	wait "$$checking" || { failed=1; cat "$$said"; }; \
	rm -f "$$said"; \
	exit "$$failed"

chaos: ready ## The crash table, then seeds of faults for hours (resumable): SEEDS=1-20
	@mkdir -p .facilitair/chaos; failed=0; \
	$(BIN)/pytest tests/crash tests/chaos --crash-table .facilitair/chaos/crash-table.json || failed=1; \
	$(BIN)/pytest -m chaos tests/e2e tests/money tests/poison libs/messaging || failed=1; \
	$(BIN)/pytest -m 'not integration' --hypothesis-profile search || failed=1; \
	$(BIN)/python -m facilitair_testing.chaos --system solo --load LM --seeds 1 || failed=1; \
	$(BIN)/python -m facilitair_testing.chaos --system kafka --load LM --seeds 1 || failed=1; \
	$(BIN)/python -m facilitair_testing.chaos --system solo --load L0 --seeds "$$SEEDS" || failed=1; \
	$(BIN)/python -m facilitair_testing.chaos --system kafka --load L1 --seeds "$$SEEDS" || failed=1; \
	$(BIN)/python -m tools.reliability || failed=1; \
	exit "$$failed"

test-unit: ready ## Tests that start no processes (goal: one minute)
	@$(BIN)/pytest -m 'not integration and not chaos' -n $(TEST_PROCESSES) --dist loadfile

lint: ready ## ruff, its formatter, mypy strict and the import contracts
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(MAKE) types

types: ready
	@$(BIN)/mypy --no-error-summary $(SOURCES)
	@$(BIN)/lint-imports

schemas: ready ## Generate schemas/ from the Structs, and the table of services in README.md
	@$(BIN)/python -m tools.schemas
	@$(BIN)/python -m tools.asyncapi
	@$(BIN)/python -m tools.service_table
	@$(BIN)/python -m tools.kafka_tables

schemas-check: ready ## Fail when schemas/ is stale or a change is not compatible
	@$(BIN)/python -m tools.schemas --check
	@$(BIN)/python -m tools.asyncapi --check
	@$(BIN)/python -m tools.service_table --check
	@$(BIN)/python -m tools.kafka_tables --check

bench: ready ## Measure and print, with the goals beside the numbers
	@$(BIN)/python -m benchmarks

lock: ready ## Resolve all members into requirements.lock
	@$(BIN)/python -m tools.lock

clean: ## Remove .venv and tool caches; keeps .facilitair (your collaborations) and downloads
	@shopt -s globstar nullglob; \
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
		.coverage .coverage.* htmlcov dist {libs,services,clients,tests,tools,benchmarks}/**/__pycache__
