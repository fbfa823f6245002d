# Needs Python 3.10 to 3.13 and make, nothing else. Each target makes its own virtual environment.
PYTHON ?= python3
DEMO := .venv-demo
TEST := .venv-test
LOWEST := .venv-lowest

.PHONY: help demo test lint types unit integration docs slow lowest clean

help: ## List the targets.
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(DEMO)/.installed ## Install the base package (no torch) and predict the sample clip.
	$(DEMO)/bin/hicmae predict docs/assets/speech_sample.mp4

test: $(TEST)/.installed lint types docs integration ## Install everything; run all checks and tests but the slow ones.

lint: $(TEST)/.installed ## Check style and format.
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .

types: $(TEST)/.installed ## Check types.
	$(TEST)/bin/mypy

unit: $(TEST)/.installed ## Run the fast tests on all cores, in minutes.
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m pytest -n auto --dist loadfile

integration: $(TEST)/.installed ## Run the fast tests and those of whole trainings and processes.
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m pytest -n auto --dist loadfile -m 'not slow and not gpu'

docs: $(TEST)/.installed ## Build the documentation into build/site; dead links fail.
	NO_MKDOCS_2_WARNING=1 $(TEST)/bin/python -m mkdocs build --strict

slow: $(TEST)/.installed ## Run the tests that take minutes.
	$(TEST)/bin/python -m pytest -m slow

# The old versions have wheels for Python 3.10 to 3.12.
lowest: ## Install the lowest allowed versions of the base package and predict the sample clip.
	rm -rf $(LOWEST)
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check packaging tomli
	$(LOWEST)/bin/python scripts/lowest_versions.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
		--constraint $(LOWEST)/lowest.txt .
	$(LOWEST)/bin/hicmae predict --help > /dev/null
	$(LOWEST)/bin/hicmae predict docs/assets/speech_sample.mp4

$(DEMO)/.installed: pyproject.toml $(shell find hicmae_cli weights -type f -not -name '*.pyc')
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check .
	touch $@

$(TEST)/.installed: pyproject.toml
	$(PYTHON) -m venv $(TEST)
	$(TEST)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean: ## Remove the environments and caches.
	rm -rf $(DEMO) $(TEST) $(LOWEST) build dist .pytest_cache .mypy_cache .ruff_cache
