# The two commands a newcomer needs are `make demo` and `make test`; each installs what it needs into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

JSON ?= benchmarks/latest.json

.PHONY: demo test mutants check bench gpu soak audit help constraints clean

demo: .venv/installed  ## find a winning ticket on a small data set, and compare it with its controls
	$(BIN)/lth run model=conv4 sparsity=0.9 rounds=10
	$(BIN)/lth compare

test: .venv/installed  ## run all tests
	$(BIN)/pytest -n auto --dist worksteal

mutants: .venv/installed  ## put faults into a copy of the program, and see that the tests notice each
	$(BIN)/python -m tests.mutants

check: .venv/installed  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed  ## our trainer against a plain script and the machine; QUICK=1 in minutes, BASE=file.json against an earlier one
	$(BIN)/python -m benchmarks --json $(JSON) $(if $(QUICK),--quick) $(if $(BASE),--base $(BASE))

gpu: .venv/installed  ## the tests that need CUDA; elsewhere they are skipped
	$(BIN)/pytest -m cuda -n 0

soak: .venv/installed  ## kill, damage and fuzz real runs for half an hour; prints a table of what held
	$(BIN)/python -m tests.soak

audit: .venv/installed  ## known vulnerabilities of the versions in constraints.txt; asks PyPI
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[audit]'
	$(BIN)/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

constraints: .venv/installed  ## write the versions installed now to constraints.txt
	$(BIN)/pip freeze --exclude-editable | grep -viE '^(nvidia|cuda|triton)' > constraints.txt

clean:  ## remove .venv and caches, never outputs
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
