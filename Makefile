# `make demo` and `make test` work on a fresh machine: they create .venv and install the pinned set first.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
WORKERS ?= 2
# Mutants that are drawn, and how many run at once.
MUTANTS ?= 200
JOBS ?= 1
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

# Data at hand beside the checkout is used when the user names no other folder; it is never required.
ADVLEARN_DATA ?= $(wildcard $(CURDIR)/../shared/data)
ifneq ($(strip $(ADVLEARN_DATA)),)
export ADVLEARN_DATA
endif
export MPLBACKEND ?= Agg
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1
# The type checker is pinned; word of a newer one is no news.
export PYRIGHT_PYTHON_IGNORE_WARNINGS ?= 1

# Parallel test workers share the cores: more than one thread each makes all of them slower.
test slow mutants: export OMP_NUM_THREADS ?= 1
# Each worker and each process of the tests would otherwise compile the same files again.
test slow mutants: export PYTHONDONTWRITEBYTECODE :=

FUZZ_SECONDS ?= 900
FUZZ_SEED ?=

.PHONY: help setup demo test slow browser mutants fuzz wheel-test lowest gallery lint format types docs stubs benchmarks clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup: $(READY) ## Create .venv and install the pinned set

# torch comes alone and first, so that the pinned build is in place (or the one already there is kept) before
# any package that depends on it is resolved.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev,all]'
	@touch $@

demo: $(READY) ## Train a small generator on digits; pictures and curves in runs/demo
	$(BIN)/advlearn fit generate --objective wgan-gp --data digits --steps 2000 --lr 5e-4 --out runs/demo

# Stealing, since examples and benchmarks are long and stand together: else one worker ends minutes after the other.
test: $(READY) ## Run the tests but the slow ones, and list the twenty that take longest
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow and not browser" --durations=20

slow: $(READY) ## Run the examples, benchmarks, notebooks and compiled losses (minutes)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m slow --durations=10

# One after the other, since a browser that shares its core waits for seconds.
browser: $(READY) ## Click through the pages in Chromium, if it is installed (minutes)
	$(BIN)/python -m pytest -q -m browser tests/lab tests/page

fuzz: $(READY) ## Feed random input to everything that reads it (FUZZ_SECONDS=900, FUZZ_SEED=...)
	$(BIN)/python benchmarks/fuzz.py --seconds $(FUZZ_SECONDS) $(if $(FUZZ_SEED),--seed $(FUZZ_SEED))

mutants: $(READY) ## Change the code at random places and see that a test fails (an hour; kept rows are not run again)
	$(BIN)/python .ci/mutants -n $(MUTANTS) --jobs $(JOBS)

wheel-test: ## Test the built wheel in a new environment without data (minutes)
	PYTHON='$(PYTHON)' .ci/wheel

lowest: ## Test the lowest versions that pyproject.toml allows, in a new environment (minutes)
	PYTHON='$(PYTHON)' .ci/lowest

gallery: $(READY) ## Run the examples that have no picture or output in docs/pictures/gallery
	$(BIN)/python .ci/site/gallery.py

lint: $(READY) ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python .ci/plain_english.py

format: $(READY) ## Mend style and format in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY) ## Check the types
	$(BIN)/pyright --project pyproject.toml

docs: $(READY) ## Build the documentation site into build/site; warnings and dead links are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	$(BIN)/python .ci/site/dead_links.py build/site

stubs: $(READY) ## Write the type stubs of the packages that load lazily
	$(BIN)/python .ci/lazy_stubs.py

benchmarks: $(READY) ## Run every benchmark in full (hours; kept rows are not run again), then check the bars
	@failed=; for file in $$(grep -l 'arguments(__doc__' benchmarks/*.py); do \
		echo "== $$file"; $(BIN)/python "$$file" || failed="$$failed $$file"; \
	done; \
	$(BIN)/python benchmarks/check.py || failed="$$failed benchmarks/check.py"; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

clean: ## Remove caches and build products; .venv and runs/ stay
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
