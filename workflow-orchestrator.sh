#!/usr/bin/env bash
# Runs a scenario to its verdict: ./workflow-orchestrator.sh --mode quality --scenario NAME; --help has the rest.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
make --quiet --directory "$here" .venv/ready
PYTHONPATH=$here exec "$here/.venv/bin/python" -m workflow "$@"
