# Everything a person types. Both `make demo` and `make test` do all the set-up first.
.PHONY: demo test lint bench dashboards lock wheel collection lint-collection sanity molecule baselines clean
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_OPTIONS ?= -m "not ci"
ANSIBLE := .venv-ansible
WITH_ANSIBLE = PATH=$(CURDIR)/$(ANSIBLE)/bin:$$PATH ANSIBLE_COLLECTIONS_PATH=$(CURDIR)/$(ANSIBLE)/collections \
	ANSIBLE_HOME=$(CURDIR)/$(ANSIBLE)/home
COMPLIANCE := .venv-compliance
SCENARIO ?= site
export PIP_DISABLE_PIP_VERSION_CHECK := 1

demo: $(VENV)/ready
	$(BIN)/extractctl demo

# The tests wait more than they compute: one process more than there are cores, at most four.
test: $(VENV)/ready
	$(BIN)/pytest --numprocesses $$(n=$$(nproc); echo $$((n < 3 ? n + 1 : 4))) --dist worksteal $(PYTEST_OPTIONS)

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .

bench: $(VENV)/ready
	$(BIN)/python -m benchmarks $(BENCH_OPTIONS)

# Write Grafana's dashboards anew.
dashboards: $(VENV)/ready
	$(BIN)/python -m grafana

# Pin every dependency anew (needs uv: $(BIN)/pip install uv).
lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --all-extras --group dev --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --constraint requirements.lock --output-file packaging/requirements.lock \
		pyproject.toml
	echo pip | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --output-file roles/program/files/pip.lock -
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --output-file molecule/requirements.lock molecule/requirements.in
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --output-file workflow/compliance.lock workflow/compliance.in

wheel: $(VENV)/ready
	rm -f dist/*.whl
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

# The collection. Ansible has an environment of its own: it and the agent share no dependency.
collection: $(ANSIBLE)/ready
	$(ANSIBLE)/bin/ansible-galaxy collection build --force --output-path dist

lint-collection: $(ANSIBLE)/ready
	$(WITH_ANSIBLE) ansible-lint --offline

# What Ansible asks of a collection, on the built one installed elsewhere.
sanity: $(ANSIBLE)/ready
	tools/sanity.sh $(ANSIBLE)

# One scenario on test hosts of its own, as root: make molecule SCENARIO=site
molecule: $(ANSIBLE)/ready wheel
	$(WITH_ANSIBLE) molecule/run.sh $(SCENARIO)

# What the workflow's compliance has found and a person has looked at; what is not in there is new.
baselines: $(COMPLIANCE)/ready
	$(COMPLIANCE)/bin/bandit --quiet --recursive agent plugins workflow --severity-level medium --exit-zero --format json \
		| $(BIN)/python -c 'import json, sys; json.dump({"results": json.load(sys.stdin)["results"]}, sys.stdout, indent=1)' \
		> workflow/baselines/bandit.new
	mv workflow/baselines/bandit.new workflow/baselines/bandit.json
	$(COMPLIANCE)/bin/detect-secrets scan --exclude-files '\.lock$$|package-lock\.json$$|^workflow/baselines/' \
		> workflow/baselines/secrets.new
	mv workflow/baselines/secrets.new workflow/baselines/secrets.json

clean:
	rm -rf $(VENV) $(ANSIBLE) $(COMPLIANCE) .venv-bench grafana/schema-check/node_modules dist build
	rm -f agent/extraction_agent/libwalker.so

# Stamped last, so that an installation that was cut short is done again.
$(VENV)/ready: requirements.lock pyproject.toml hatch_build.py $(wildcard agent/extraction_agent/*.zig)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --use-pep517 --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# The checkout under the name by which Ansible looks for a collection.
$(ANSIBLE)/ready: molecule/requirements.lock
	$(PYTHON) -m venv $(ANSIBLE)
	$(ANSIBLE)/bin/pip install --quiet --require-hashes --requirement molecule/requirements.lock
	mkdir -p $(ANSIBLE)/collections/ansible_collections/jivs
	ln -sfn $(CURDIR) $(ANSIBLE)/collections/ansible_collections/jivs/extraction
	touch $@

# What the workflow looks through code and dependencies with; none of it is needed to run the program.
$(COMPLIANCE)/ready: workflow/compliance.lock
	$(PYTHON) -m venv $(COMPLIANCE)
	$(COMPLIANCE)/bin/pip install --quiet --require-hashes --requirement workflow/compliance.lock
	touch $@
