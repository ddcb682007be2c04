# `make demo` and `make test` need Python 3.11-3.13 (with venv), make and git; nothing else.

# python3 if it fits, else the newest that does; `make PYTHON=/path/to/python demo` to choose.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; exit; }; done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
# on a terminal pip shows its progress, elsewhere only errors
PIP := $(BIN)/python -m pip install --disable-pip-version-check $(shell test -t 2 || echo -qq --progress-bar off)
SOURCES := pyproject.toml constraints.txt

# Two spinning OpenMP threads on a busy machine slow small networks down 200-fold.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help demo test test-slow test-all check install install-dev clean

help:
	@echo "make demo       install and run the bundled conversation through the whole chain"
	@echo "make test       install with the development extras and run the default tests"
	@echo "make test-slow  the tier marked slow (minutes each)"
	@echo "make test-all   both tiers"
	@echo "make check      ruff, mypy, import-linter, default tests"
	@echo "make clean      remove .venv and caches"

demo: $(VENV)/installed
	@$(BIN)/livemerc run --demo

# Most end-to-end tests wait for audio that plays at its own pace: on two cores three workers, whole files each,
# in the order of tests/conftest.py (long ones first).
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test: $(VENV)/installed-dev
	$(PYTEST)

test-slow: $(VENV)/installed-dev
	$(PYTEST) -m "slow and not soak"

test-all: test test-slow

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST)

install: $(VENV)/installed
install-dev: $(VENV)/installed-dev

$(VENV)/made:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) was not found; install Python 3.11, 3.12 or 3.13, or name it: make PYTHON=/path/to/python demo" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "make: $(PYTHON) is $$($(PYTHON) -V 2>/dev/null || echo unusable), and livemerc needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=/path/to/python demo" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "make: $(PYTHON) lacks venv; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/made $(SOURCES)
	@echo "Installing livemerc into $(VENV): about 4.7 GB the first time (torch and its CUDA libraries), some minutes."
	@$(PIP) -c constraints.txt -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/made $(SOURCES)
	@echo "Installing livemerc with the development extras into $(VENV): about 4.7 GB the first time, some minutes."
	@$(PIP) -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis snapshot_report.html
	find livemerc trainer tests tools -name __pycache__ -type d -exec rm -rf {} +
