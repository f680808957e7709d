# All targets work from a clean checkout, with only Python 3.11 or later, make and a C library.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SECONDS ?= 60
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
DOCS_STAMP := build/docs/.installed
# Show errors only: warnings are about pip's settings on this machine, and would hide other messages.
PIP := -m pip --disable-pip-version-check -qq
# Tools that inspect packages; each has its own environment, so that they do not inspect themselves.
UV := uv==0.13.9
CYCLONEDX := cyclonedx-bom==7.5.0

.PHONY: help run test quick check kernels unit browser fuzz bench validation pages generated format clean
.PHONY: docs locked release hashes newest sbom
help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

run: $(RUN_STAMP) ## set up what is missing, print the quickstart's verdict and write out/report.html
	@$(BIN)/breakeven run scenarios/quickstart.yaml --out out
	@echo "report: out/report.html"

test: $(DEV_STAMP) ## run everything that gates a change
	@$(MAKE) --no-print-directory --jobs=2 check kernels
	@$(MAKE) --no-print-directory unit

quick: $(DEV_STAMP) ## check format, lint and types, and run the tests that take a moment
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -n 2 -m "not slow"

kernels: $(RUN_STAMP) ## compile the engine, which takes a minute once per installation
	@$(BIN)/breakeven run quickstart --effort 1 > /dev/null

check: $(DEV_STAMP) ## check format, lint, types, import layers and generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python docs/pages.py --generated --check

unit: $(DEV_STAMP) browser ## run all tests, including notebooks and the wheel
	$(BIN)/python -m pytest -n 2 --dist loadgroup

browser: ## install Debian's Chromium if it is missing; tests open the report in it
	@command -v chromium > /dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -q \
		&& apt-get install -y -q --no-install-recommends chromium; } \
		|| echo "no chromium: install it to test the report"

fuzz: $(DEV_STAMP) ## try odd inputs on every reader; SECONDS=600 sets how long, FUZZ="--reader usage" which one
	@$(BIN)/python -m fuzz --seconds $(SECONDS) $(FUZZ)

bench: $(RUN_STAMP) ## measure speed and memory of engine and verdicts; BENCH="--long" for more
	@$(BIN)/python benchmarks/engine.py $(BENCH)
	@$(BIN)/python benchmarks/verdicts.py

validation: $(DEV_STAMP) ## compare predictions with the measured benchmarks in the folder DATA=...
	$(BIN)/python validation/report.py $(DATA)

pages: $(DEV_STAMP) ## rewrite the outputs that pages show, or those of PAGES="README.md docs/prices.md"
	@$(BIN)/python docs/pages.py $(PAGES)

format: $(DEV_STAMP) ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generated: $(DEV_STAMP) ## rewrite the schema and the pages that are generated from the code
	@$(BIN)/python docs/pages.py --generated

docs: $(DOCS_STAMP) ## build the documentation site in build/site; fails on a broken link
	@rm -rf build/site
	build/docs/bin/python -m sphinx --quiet --fresh-env --fail-on-warning \
		--conf-dir docs/site --doctree-dir build/docs/pages . build/site
	@echo "documentation: build/site/index.html"

locked: ## build dist/, install it into build/locked with all downloads checked against locked/, and try it
	rm -rf build/builder build/locked dist
	$(PYTHON) -m venv build/builder
	build/builder/bin/python $(PIP) install $(CHECKED) -r locked/build.txt
	build/builder/bin/python -m hatchling build --target sdist --directory dist
	build/builder/bin/python $(PIP) wheel --no-deps --no-build-isolation -w dist dist/*.tar.gz
	$(PYTHON) -m venv --without-pip build/locked
	$(INTO_LOCKED) $(CHECKED) --report build/locked/report.json -r locked/run.txt
	$(INTO_LOCKED) --no-deps --no-index dist/*.whl
	build/builder/bin/python -m pip --python build/locked check
	cd build/locked && bin/breakeven --version && bin/breakeven validate quickstart

release: ## check, build and tag the version VERSION=1.2.3; uploads nothing
	@$(PYTHON) tools/release.py $(VERSION)

hashes: build/uv/bin/uv ## write the hashes of all files of the pinned versions to locked/
	$(COMPILE) constraints.txt pyproject.toml --all-extras -o locked/dev.txt
	$(COMPILE) pyproject.toml -o locked/run.txt
	echo hatchling | ($(COMPILE) - -o locked/build.txt)

newest: ## run the tests, or TESTS=..., with the newest version of every package
	$(PYTHON) -m venv --clear build/newest
	@echo "installing the newest version of every package into build/newest; this takes a few minutes"
	@build/newest/bin/python $(PIP) install --editable '.[dev,docs]'
	build/newest/bin/python tools/newest.py
	build/newest/bin/python -m pytest -n 2 --dist loadgroup $(TESTS)

sbom: locked build/cyclonedx/bin/cyclonedx-py ## write a CycloneDX bill of materials to out/sbom.json
	build/cyclonedx/bin/cyclonedx-py environment --pyproject pyproject.toml \
		--output-reproducible -o build/sbom.json build/locked/bin/python
	@mkdir -p out
	$(PYTHON) tools/sbom.py build/sbom.json build/locked/report.json > out/sbom.json
	@echo "bill of materials: out/sbom.json"

# Only wheels: building a package would download build tools without checking their hashes.
CHECKED := --require-hashes --no-deps --only-binary :all:
INTO_LOCKED := build/builder/bin/python $(PIP) --python build/locked install
# uv does not read pip's settings; if those name an index, pass it on.
COMPILE = index="$${PIP_INDEX_URL:-$$($(PYTHON) -m pip config get global.index-url 2>/dev/null)}"; \
	build/uv/bin/uv pip compile $${index:+--default-index "$$index"} --quiet --upgrade \
	--generate-hashes --no-header --no-annotate --python-version 3.11 --constraint constraints.txt

build/uv/bin/uv:
	$(PYTHON) -m venv build/uv
	build/uv/bin/python $(PIP) install $(UV)

build/cyclonedx/bin/cyclonedx-py:
	$(PYTHON) -m venv build/cyclonedx
	build/cyclonedx/bin/python $(PIP) install $(CYCLONEDX)

clean: ## remove the environment, build outputs and caches
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): $(BIN)/python pyproject.toml constraints.txt
	@echo "installing breakeven and what it needs into $(VENV); this takes a minute"
	@$(BIN)/python $(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(DEV_STAMP): $(BIN)/python pyproject.toml constraints.txt
	@echo "installing breakeven and the development tools into $(VENV); this takes some minutes"
	@$(BIN)/python $(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(RUN_STAMP)

$(DOCS_STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -m venv build/docs
	@echo "installing breakeven and Sphinx into build/docs; this takes a minute"
	@build/docs/bin/python $(PIP) install --constraint constraints.txt --editable '.[docs]'
	@touch $@
