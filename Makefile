# Everything a person types. Both `make demo` and `make test` do all the set-up first.
.PHONY: demo test lint bench lock clean
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_OPTIONS ?= -m "not ci"
export PIP_DISABLE_PIP_VERSION_CHECK := 1

demo: $(VENV)/ready
	$(BIN)/extractctl demo

test: $(VENV)/ready
	$(BIN)/pytest $(PYTEST_OPTIONS)

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .

bench: $(VENV)/ready
	$(BIN)/python -m benchmarks $(BENCH_OPTIONS)

# Pin every dependency anew (needs uv: $(BIN)/pip install uv).
lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --all-extras --group dev --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) dist build

# Stamped last, so that an installation that was cut short is done again.
$(VENV)/ready: requirements.lock pyproject.toml hatch_build.py agent/extraction_agent/walker.zig
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --use-pep517 --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
