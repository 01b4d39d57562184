"""A benchmark's history: one line of JSON a run, in a file."""

import json
import statistics
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]


def add(file: Path, found: dict[str, Any]) -> None:
    """With the time and the commit it is of."""
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": _commit(), **found}
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as opened:
        opened.write(json.dumps(line) + "\n")


def told(file: Path) -> str:
    """What it was before, in words."""
    if not file.exists():
        return "this is the first"
    ratios = [float(json.loads(line)["ratio"]) for line in file.read_text(encoding="utf-8").splitlines()]
    if not ratios:
        return "this is the first"
    return f"the last {len(ratios)}: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}"


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
