# Everything starts here: `make help`.
#
# .venv is created once and filled by uv from hashed requirements files. Two stamps keep a warm make fast:
# .venv/.base (what the bot and the sandbox need) and .venv/.dev (plus tests, lint and types).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
PACKAGES := $(patsubst %/,%,$(wildcard bot/ tools/ knowledge/ playbooks/ prompts/ foundation/ sandbox/ bench/))
PYTEST_ARGS ?=
# two more than there are cores: stories wait for processes and for the world's time, and a core is idle then
PYTEST_WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 2 )))
# a test run starts dozens of Python processes; each would compile all of its libraries again
unexport PYTHONDONTWRITEBYTECODE
DEMO_ARGS ?= --speed 5 --at 300
NAME ?=

.PHONY: help setup dev-install demo test check format lint types imports docs coverage bench run-api requirements clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---------------------------------------------------------------------------------------------- environment

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "make: $(PYTHON) is not Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "make: could not create $(VENV); on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(UV): requirements/uv.txt | $(BIN)/python
	@echo "installing uv into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $(UV)

$(VENV)/.base: requirements/base.txt $(UV)
	@echo "installing requirements/base.txt"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/base.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.base
	@echo "installing requirements/dev.txt"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(VENV)/.dev ## create .venv with everything that development needs

dev-install: setup ## setup, and install the git hooks
	@$(BIN)/pre-commit install

# ---------------------------------------------------------------------------------------------- run

demo: $(VENV)/.base ## simulated production, local Slack and the bot; prints the address (DEMO_ARGS="--speed 1")
	@$(BIN)/python -m sandbox demo $(DEMO_ARGS)

run-api: $(VENV)/.base ## the bot with its REST API, configured by the environment and config/config.yaml
	@$(BIN)/python -m bot run

bench: setup ## measurements against peers (NAME=nab; BENCH_DATA=folder of recorded series)
	@$(BIN)/python -m bench $(NAME) $(if $(BENCH_DATA),--data $(BENCH_DATA))

# ---------------------------------------------------------------------------------------------- judge

test: setup ## all tests, a worker per core and two more, with coverage data and seconds per folder; what needs a missing program skips
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder $(foreach package,$(filter-out bench,$(PACKAGES)),--cov=$(package)) --cov-branch --cov-report= $(PYTEST_ARGS)

check: lint types imports docs ## everything CI checks besides the tests

lint: setup ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: setup ## let ruff mend what it can
	@$(BIN)/ruff check --fix-only --exit-zero .
	@$(BIN)/ruff format .

types: setup ## mypy, strict
	@$(BIN)/mypy $(PACKAGES) tests conftest.py

imports: setup ## the import law
	@$(BIN)/lint-imports --no-cache

docs: setup ## links of the documentation resolve, every variable is explained
	@$(BIN)/python -m pytest -q --no-header -p no:cacheprovider tests/architecture/test_documents.py

coverage: setup ## enforce at least 80 % branch coverage on the data of the last `make test`
	@$(BIN)/coverage report --fail-under=80

# ---------------------------------------------------------------------------------------------- upkeep

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
requirements: $(UV) ## recompile requirements/*.txt from pyproject.toml (UPGRADE=1 takes newer versions)
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml -o requirements/base.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --extra postgres -c requirements/base.txt -o requirements/postgres.txt
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --extra dev -c requirements/base.txt -o requirements/dev.txt
	@awk '/^uv==/ {on=1; print; next} on && /^[a-z]/ {exit} on' requirements/dev.txt > requirements/uv.txt

clean: ## remove what tests and tools leave behind; keeps .venv and var
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
