# Five commands: setup, demo, test, bench, docs. CI calls the same ones.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Workers of the test run; each takes a core.
WORKERS ?= auto

.PHONY: setup demo test check docs bench bench-mcp bench-state bench-waiting interop chaos clean

setup: .venv/dev

demo: .venv/runtime
	@$(BIN)/remit demo

test: .venv/dev check
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache > .venv/imports.log || (cat .venv/imports.log; false)
	$(BIN)/mypy

bench: .venv/runtime .bench/peers
	@$(BIN)/python benchmarks/run.py $(ARGS)

bench-mcp: .venv/runtime .bench/mcp-peer .bench/contextforge-peer
	@$(BIN)/python benchmarks/mcp.py

bench-state: .venv/runtime .bench/peers
	@$(BIN)/python benchmarks/state.py $(ARGS)

bench-waiting: .venv/runtime .bench/peers
	@$(BIN)/python benchmarks/waiting.py $(ARGS)

.bench/mcp-peer: requirements/bench-mcp.lock | .venv/bin/python
	$(BIN)/python -m venv --clear .bench/mcp
	.bench/mcp/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench-mcp.lock
	@touch $@

.bench/contextforge-peer: requirements/bench-contextforge.lock | .venv/bin/python
	$(BIN)/python -m venv --clear .bench/contextforge
	.bench/contextforge/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench-contextforge.lock
	@touch $@

# Programs that others wrote, on both sides of the door: needs npm and the network, so CI does not call it.
interop: .venv/dev
	@$(BIN)/python interop/run.py $(ARGS)

# Kills workers, server, Temporal and PostgreSQL while missions write: takes minutes, so CI runs a small one.
chaos: .venv/dev
	@$(BIN)/python benchmarks/chaos.py $(ARGS)

docs: .venv/dev
	$(BIN)/python tools/generate_reference.py

clean:
	rm -rf .venv .bench .interop

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Remit needs Python 3.11 or newer")'
	@echo "Making .venv and installing what is locked in requirements/, once; it takes about a minute."
	@$(PYTHON) -m venv .venv

.venv/runtime: requirements/runtime.lock pyproject.toml | .venv/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: requirements/dev.lock .venv/runtime
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

# The engines that the benchmark stands beside have an environment of their own.
.bench/peers: requirements/bench.lock | .venv/bin/python
	$(BIN)/python -m venv --clear .bench/venv
	.bench/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.lock
	@touch $@
