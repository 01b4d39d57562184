"""What k6 holds a load to: the user's figures, or a scenario's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.load import find_k6
from benchmarks.service import Service

from benchmarks import load
from extraction_agent import errors
from load.conftest import SCRIPTS


def _inspect(script: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """k6's own look at the script, without a run. Skips the test where k6 is not installed."""
    try:
        program = find_k6()
    except errors.UsageError as error:
        pytest.skip(str(error))
    words = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
    return subprocess.run(
        [program, "inspect", *words, str(SCRIPTS / f"extraction-{script}.js")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def _rules(script: str, **environment: str) -> dict[str, list[str]]:
    """By metric; of one that is held apart, the judged."""
    done = _inspect(script, **environment)
    assert done.returncode == 0, done.stderr
    thresholds = json.loads(done.stdout)["thresholds"]
    return {name.partition("{")[0]: rules for name, rules in thresholds.items() if "climb" not in name}


def test_without_a_scenario_the_users_figures_are_held() -> None:
    rules = _rules("optimized")
    assert rules["http_req_duration"][:2] == ["p(95)<200", "p(99)<500"]
    assert (rules["http_req_failed"], rules["errors"]) == (["rate<=0.01"], ["rate<=0.01"])
    assert rules["pool_timeouts"] == ["count<=0"]


@pytest.mark.parametrize("script", ["optimized", "stress"])
def test_a_scenarios_floors_are_held(script: str) -> None:
    rules = _rules(script, P95_SECONDS="0.55", P99_SECONDS="1.1", ERROR_RATE="0", POOL_TIMEOUTS="3")
    assert rules["http_req_duration"][:2] == ["p(95)<550", "p(99)<1100"]
    assert (rules["errors"], rules["pool_timeouts"]) == (["rate<=0"], ["count<=3"])


def test_the_old_way_is_held_to_nothing() -> None:
    assert not [rule for rules in _rules("baseline").values() for rule in rules if "<" in rule]


def test_a_floor_that_is_no_number_is_a_sentence() -> None:
    done = _inspect("optimized", P95_SECONDS="fast")
    assert done.returncode != 0
    assert "P95_SECONDS is fast: it is a number of at least 0." in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], {"P95_SECONDS=0.2", "P99_SECONDS=0.5", "ERROR_RATE=0.01", "POOL_TIMEOUTS=0"}),
        (
            ["--p95", "0.3", "--p99", "0.6", "--errors", "0", "--timeouts", "2"],
            {"P95_SECONDS=0.3", "P99_SECONDS=0.6", "ERROR_RATE=0.0", "POOL_TIMEOUTS=2"},
        ),
    ],
)
def test_what_is_asked_of_the_command_is_asked_of_k6(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: set[str]
) -> None:
    program, written = tmp_path / "k6", tmp_path / "result"
    program.write_text('#!/bin/sh\nenv > "$OUTPUT"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", ["load", *words])
    assert load._users(str(program), Service("", "", 0), "optimized", written, load._options()) == 0
    assert told <= set(written.read_text(encoding="utf-8").splitlines())
