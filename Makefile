# Needs Python 3.10 to 3.13 and make, nothing else. Each target makes its own virtual environment.
PYTHON ?= python3
DEMO := .venv-demo
TEST := .venv-test

.PHONY: help demo test lint types unit slow clean

help: ## List the targets.
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(DEMO)/.installed ## Install the base package (no torch) and judge the sample clip.
	$(DEMO)/bin/hicmae predict docs/assets/speech_sample.mp4

test: $(TEST)/.installed lint types unit ## Install everything and run all fast checks and tests.

lint: $(TEST)/.installed ## Style and format.
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .

types: $(TEST)/.installed ## Strict types.
	$(TEST)/bin/mypy

unit: $(TEST)/.installed ## The fast tests, on all cores.
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m pytest -n auto --dist loadfile

slow: $(TEST)/.installed ## The tests that take minutes.
	$(TEST)/bin/python -m pytest -m slow

$(DEMO)/.installed: pyproject.toml $(shell find hicmae_cli weights -type f -not -name '*.pyc')
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check .
	touch $@

$(TEST)/.installed: pyproject.toml
	$(PYTHON) -m venv $(TEST)
	$(TEST)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean: ## Remove the environments and caches.
	rm -rf $(DEMO) $(TEST) build dist .pytest_cache .mypy_cache .ruff_cache
