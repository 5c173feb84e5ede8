# Every daily command. `make demo` and `make test` work on a fresh checkout: they set up .venv first.
PYTHON ?= python3.11
BIN := .venv/bin
# Processes that share the tests, a file each at a time.
WORKERS ?= 2
export OPHYD_CONTROL_LAYER := dummy

.PHONY: demo test check format coverage benchmarks clean

demo: .venv/installed
	$(BIN)/athanor run examples/batio3.yaml --lab examples/lab.yaml --seed 1

test: .venv/installed
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --skip-covered --fail-under=95

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy protocols drivers generator planner sim lab tests benchmarks
	$(BIN)/lint-imports

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmarks: .venv/installed
	$(BIN)/python benchmarks/first_light.py
	$(BIN)/python benchmarks/safety.py
	$(BIN)/python benchmarks/instruments.py

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# torch goes in first and pinned: a looser requirement of another package would take a build with gigabytes
# of accelerator libraries.
.venv/installed: pyproject.toml constraints.txt
	command -v $(PYTHON) >/dev/null || { echo "athanor needs Python 3.11: install python3.11 and python3.11-venv, or set PYTHON=" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch hatchling editables
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	touch $@
