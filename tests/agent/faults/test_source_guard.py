"""What pgbench at the source, at half of what it can do, feels of a full extraction: benchmarks/source_guard.py judged.

Medians of interleaved rounds, for source, store, pgbench and agent share what cores there are.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
ROUNDS = 3
PATIENCE = 900.0


@pytest.fixture(scope="module")
def rounds() -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.source_guard", "--rounds", str(ROUNDS), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    measured: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(measured) == ROUNDS
    return measured


pytestmark = [pytest.mark.ci, pytest.mark.timeout(PATIENCE)]


def median(rounds: list[dict[str, Any]], above: str, below: str) -> float:
    return statistics.median(float(one[above]) / float(one[below]) for one in rounds)


def test_the_harm_it_prevents_is_there(rounds: list[dict[str, Any]]) -> None:
    assert median(rounds, "unguarded", "alone_too") > 1.25


def test_p95_rises_by_a_quarter_at_most(rounds: list[dict[str, Any]]) -> None:
    assert median(rounds, "guarded", "alone") <= 1.25


def test_the_extraction_keeps_three_tenths_of_its_free_speed(rounds: list[dict[str, Any]]) -> None:
    assert median(rounds, "guarded_speed", "free") >= 0.3


def test_it_is_back_at_full_speed_within_ten_seconds(rounds: list[dict[str, Any]]) -> None:
    assert statistics.median(one["back"] for one in rounds) <= 10
