# One environment, .venv, serves every target; it is made when there is none and installed anew when pyproject.toml changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help lab demo test check bench lessons plans docs clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

lab: $(INSTALLED) ## open JupyterLab on the first lesson
	@$(BIN)/pgvec-magic lab

demo: $(INSTALLED) ## the same work in the terminal
	@$(BIN)/pgvec-magic demo

test: $(INSTALLED) ## run all tests, those of the database on PostgreSQL 18 and on 16
	@PGVEC_TEST_PG="$${PGVEC_TEST_PG:-18 16}" $(BIN)/python -m pytest

check: $(INSTALLED) ## format, lint, types, layers, lessons, docs
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-cache
	$(BIN)/python notebooks/build.py --check
	$(BIN)/python docs/findings.py --check

bench: $(INSTALLED) ## measure the README's figures
	@$(BIN)/python -m benchmarks

lessons: $(INSTALLED) ## make notebooks/*.ipynb anew from notebooks/source
	@$(BIN)/python notebooks/build.py

plans: $(INSTALLED) ## capture the plans of the tests anew, on PostgreSQL 16 and 18
	@$(BIN)/python tests/capture.py

docs: $(INSTALLED) ## make docs/findings.md anew from the catalogue of findings and the captured plans
	@$(BIN)/python docs/findings.py

clean: ## remove everything that was made here, the environment too; copied lessons stay
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("pgvec-magic needs Python 3.11 or later: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/pip || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing into $(VENV), which takes a few minutes the first time"
	@$(BIN)/pip install -qq --editable '.[dev]'
	@touch $@
