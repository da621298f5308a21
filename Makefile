# Two commands set everything up on a fresh machine: `make demo` and `make test`.
# Each makes its own virtual environment; docs/install.md has the same in plain pip lines.

PYTHON ?= python3
DEMO := .venv
TEST := .venv-test
SOURCES := $(shell find histoscore -type f ! -name '*.pyc')

.DEFAULT_GOAL := help
.PHONY: help demo test lint audit clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO)/installed ## install, score slides_demo and print the group table
	$(DEMO)/bin/histoscore score slides_demo/study.csv --out demo-run

test: $(TEST)/installed ## install with the test extras and run all tests; ARGS="-x -k mpp" are pytest's
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

lint: $(TEST)/installed ## style, types, and the floors that imports may cross
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/mypy
	$(TEST)/bin/lint-imports

audit: $(TEST)/installed ## known holes in the installed libraries, where the database can be reached
	$(TEST)/bin/python .ci/audit.py

clean: ## remove the environments, demo-run and all caches
	rm -rf $(DEMO) $(TEST) demo-run build dist
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find histoscore tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The demonstration runs what a user would install, so it is installed again when a source changes.
$(DEMO)/installed: pyproject.toml $(SOURCES)
	$(call make_environment,$(DEMO))
	$(DEMO)/bin/python -m pip install .
	@touch $@

# Tests run on the sources themselves; only new dependencies call for another installation.
$(TEST)/installed: pyproject.toml
	$(call make_environment,$(TEST))
	$(TEST)/bin/python -m pip install -e '.[test]'
	@touch $@

define make_environment
@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("histoscore needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12")'
$(PYTHON) -m venv $(1)
endef
