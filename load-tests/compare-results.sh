#!/usr/bin/env bash
# Two results of k6 side by side, with a verdict: load-tests/compare-results.sh baseline.json optimized.json
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python
if [ ! -x "$python" ]; then
    echo "There is no $python: \`make .venv/ready\` in $root sets it up." >&2
    exit 2
fi
PYTHONPATH=$root exec "$python" -m benchmarks.compare_load "$@"
