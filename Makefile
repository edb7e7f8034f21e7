# Everything a person or a machine does here. `make help` lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help engines demo test check guarantees bench lock clean

help:  ## list what make can do here
	@grep -hE '^[a-z.]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

.venv: $(VENV)/.installed  ## create the environment and nothing else (locked versions, checked hashes)

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "heed needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# PySpark is published as source only; setuptools, of the first lock, builds it.
engines: $(VENV)/.engines  ## add the engines that tests compare: Spark, Dask, Ibis, Polars (half a gigabyte)

$(VENV)/.engines: $(VENV)/.installed requirements-engines.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-binary pyspark \
	  --no-build-isolation --use-pep517 -r requirements-engines.lock
	@touch $@

demo: .venv  ## simulate a city, import, train, score, detect, and serve it on 127.0.0.1:8000
	$(BIN)/heed demo $(DEMO_ARGS)

# Test files are compiled once and not in each of the processes, whatever is set outside.
test: engines  ## every test but the slow guarantees and the benchmarks
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

check: .venv  ## format, lint, types, import rules, boundary
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/heed boundary check

guarantees: engines  ## the slow statistical guarantees, and the random tests with all their examples
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)
	HEED_THOROUGH=1 $(BIN)/python -m pytest -m "hypothesis and not slow and not benchmark" $(PYTEST_ARGS)

bench: engines  ## timings, as ratios in one run
	$(BIN)/python -m pytest -m benchmark -s $(PYTEST_ARGS)

RESOLVE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
  --no-annotate --no-header --quiet

# The second is held to the versions of the first: both end up in one environment.
lock:  ## resolve both locks anew where pyproject.toml asks for it (needs uv; LOCK_ARGS=--upgrade for the newest)
	$(RESOLVE) $(LOCK_ARGS) --group dev --extra postgres --extra signing pyproject.toml --output-file requirements.lock
	$(RESOLVE) $(LOCK_ARGS) --group pyproject.toml:engines --constraint requirements.lock --output-file requirements-engines.lock

clean:  ## remove the environment and the demo
	rm -rf $(VENV) heed-demo .mypy_cache .ruff_cache .pytest_cache
