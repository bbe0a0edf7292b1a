# Everything a fresh machine needs is Python 3.11+, pip and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: test e2e check lint demo lock clean

test: .venv/dev
	$(BIN)/pytest -q -n $(WORKERS)

# Real agents and real servers: installs them into .cache/e2e the first time (some minutes).
e2e: .venv/dev
	$(BIN)/python tests/e2e/install.py
	$(BIN)/pytest -q -m e2e tests/e2e

# As `test`, with coverage and more examples for each property.
check: .venv/dev lint
	HYPOTHESIS_PROFILE=thorough $(BIN)/pytest -q -n $(WORKERS) --cov --cov-report=term:skip-covered --cov-fail-under=$(COVERAGE)

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy server tests scripts
	$(BIN)/lint-imports

demo: .venv/run
	@$(BIN)/rightmodel demo

COVERAGE := 86
# More than the cores of a small machine: many tests wait for a process or a timer.
WORKERS := 3

.venv/run: requirements/run.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: .venv/run requirements/dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# Hashes, but no registry's address: any mirror serves the same bytes. Extras are kept, because pip
# would otherwise look at newer releases for them and find no hash.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-strip-extras \
	  --no-annotate --no-header --group build -o requirements/run.txt pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-strip-extras \
	  --no-annotate --no-header --group build --group dev -o requirements/dev.txt pyproject.toml

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .coverage build dist
