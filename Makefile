# Everything from a clean checkout: needs Python 3.11 or later, make and a C library, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SECONDS ?= 60
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help run test check unit browser fuzz bench validation format clean
help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

run: $(RUN_STAMP) ## set up what is missing, print the quickstart's verdict, write out/report.html
	@$(BIN)/breakeven run scenarios/quickstart.yaml --out out
	@echo "report: out/report.html"

test: check unit ## everything that gates a change

check: $(DEV_STAMP) ## format, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

unit: $(DEV_STAMP) browser ## all tests, notebooks and the wheel included
	$(BIN)/python -m pytest -n 2 --dist loadgroup

browser: ## install Debian's Chromium where it is missing; the report's tests look at it
	@command -v chromium > /dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -q \
		&& apt-get install -y -q --no-install-recommends chromium; } \
		|| echo "no chromium: install it to test the report"

fuzz: $(DEV_STAMP) ## every reader under odd inputs, SECONDS=600 long; FUZZ="--reader usage" for one
	@$(BIN)/python -m fuzz --seconds $(SECONDS) $(FUZZ)

bench: $(RUN_STAMP) ## speed and memory of engine and verdicts; BENCH="--long" for more of the engine
	@$(BIN)/python benchmarks/engine.py $(BENCH)
	@$(BIN)/python benchmarks/verdicts.py

validation: $(DEV_STAMP) ## compare predictions with DATA=..., a folder of measured benchmarks
	$(BIN)/python validation/report.py $(DATA)

format: $(DEV_STAMP) ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment and every cache
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(DEV_STAMP): $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(RUN_STAMP)
