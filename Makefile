# Everything a fresh machine needs is Python 3.11+, pip and make.
PYTHON ?= python3
BIN := .venv/bin
DATA_HOME ?= $(or $(XDG_DATA_HOME),$(HOME)/.local/share)
ENV_DIR ?= $(DATA_HOME)/rightmodel/venv
BIN_DIR ?= $(HOME)/.local/bin

# Tests start hundreds of processes: without bytecode files each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install uninstall demo test hardening e2e check lint lock clean

# A copy of the checkout in an environment of its own, and `rightmodel` in ~/.local/bin.
install:
	@echo "installing rightmodel into $(ENV_DIR) (about a minute)"
	@test -x "$(ENV_DIR)/bin/python" || $(PYTHON) -m venv "$(ENV_DIR)"
	@"$(ENV_DIR)/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	@"$(ENV_DIR)/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall .
	@mkdir -p "$(BIN_DIR)"
	@ln -sf "$(ENV_DIR)/bin/rightmodel" "$(BIN_DIR)/rightmodel"
	@echo "installed $(BIN_DIR)/rightmodel"
	@case ":$$PATH:" in *":$(BIN_DIR):"*) ;; *) echo 'it is not on your PATH yet: export PATH="$(BIN_DIR):$$PATH"';; esac

# Leaves your manifest, keys and ledger alone.
uninstall:
	rm -rf "$(ENV_DIR)"
	rm -f "$(BIN_DIR)/rightmodel"

test: .venv/dev
	$(BIN)/pytest -q $(PARALLEL)

# A new user's first hour and an attacker's, against the program as it is installed.
hardening: .venv/dev
	$(BIN)/pytest -q $(PARALLEL) tests/hardening

# Real agents and real servers: installs them into .cache/e2e the first time (some minutes).
e2e: .venv/dev
	$(BIN)/python tests/e2e/install.py
	$(BIN)/pytest -q -m e2e tests/e2e

# As `test`, with coverage and more examples for each property.
check: .venv/dev lint
	HYPOTHESIS_PROFILE=thorough $(BIN)/pytest -q $(PARALLEL) --cov --cov-report=term:skip-covered --cov-fail-under=$(COVERAGE)

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy server tests scripts benchmarks
	$(BIN)/lint-imports

demo: .venv/run
	@$(BIN)/rightmodel demo

COVERAGE := 86
# More workers than the cores of a small machine: many tests wait for a process or a timer. Stealing
# keeps the tests of a file, and what they share, together, and all workers busy until the end.
PARALLEL := -n 3 --dist worksteal

.venv/run: requirements/run.txt pyproject.toml
	@echo "installing into .venv (once; about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: .venv/run requirements/dev.txt
	@echo "installing the development tools into .venv (once; some minutes)"
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
