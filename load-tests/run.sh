#!/usr/bin/env bash
# k6's users on a daemon of one profile, with source, store and extractions of its own: load-tests/run.sh --help
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python
if [ ! -x "$python" ]; then
    echo "There is no $python: \`make .venv/ready\` in $root sets it up." >&2
    exit 2
fi
PYTHONPATH=$root exec "$python" -m benchmarks.load "$@"
