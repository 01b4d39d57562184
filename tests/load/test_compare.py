"""compare-results.sh: the verdict from two results, and what it refuses."""

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from benchmarks.compare_load import compare

from extraction_agent import errors
from extraction_agent.model import Verdict
from extraction_agent.report import k6
from extraction_agent.report.evidence import Load

_SCRIPT = Path(__file__).parents[2] / "load-tests" / "compare-results.sh"
_AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


def _pool(use: float, timeouts: int = 0) -> dict[str, Any]:
    return {"active_most": 50, "most": 50, "use_mean": use / 2, "use_p95": use, "timeouts": timeouts}


def _load(profile: str = "optimized", p95: float = 0.05, p99: float = 0.1, **changes: Any) -> Load:
    """A run that is held, but for what is changed."""
    values = {
        "kind": "load", "version": 1, "scenario": "s", "measured_at": _AT, "command": "k6 run",
        "profile": profile, "shape": "steady", "scale": 1.0, "users": 100, "seconds": 1800.0, "aborted": False,
        "requests": 150_000, "failed": 0, "refused": 0, "records_per_minute": 1e6,
        "latency_seconds": {"p50": 0.01, "p95": p95, "p99": p99, "max": 1.5},
        "pools": {"store": _pool(0.6), "source": _pool(0.2)},
        "k6": {"metrics": {"pool_timeouts": {"values": {"count": 0}}, "extractions_failed": {"values": {"count": 0}}}},
        **changes,
    }  # fmt: skip
    return Load.model_validate(values)


_BEFORE = _load("baseline", p95=0.4, p99=1.2)


def test_what_is_kept_and_not_worse_may_stay() -> None:
    found = compare(_BEFORE, _load())
    assert found.verdict is Verdict.GO
    rows = {row.name: row for row in found.rows}
    assert (rows["p95"].before, rows["p95"].after) == ("400.0 ms", "50.0 ms")
    assert (rows["p95"].floor, rows["p95"].change) == ("kept", "better")


@pytest.mark.parametrize(
    ("before", "after", "because"),
    [
        (_BEFORE, _load(p95=0.21), "p95 is 210.0 ms, asked is < 200 ms"),
        (_BEFORE, _load(p99=0.5), "p99 is 500.0 ms, asked is < 500 ms"),
        (_load(p95=0.05), _load(p95=0.08), "p95 rose from 50.0 ms to 80.0 ms"),
        (_BEFORE, _load(failed=1500), "errors is 1.00 %, asked is < 1 %"),
        (_BEFORE, _load(refused=1500), "errors is 1.00 %, asked is < 1 %"),
        (_BEFORE, _load(requests=100_000), "served a second fell from 83.3 to 55.6"),
        (_BEFORE, _load(pools={"store": _pool(0.6, timeouts=3)}), "pool timeouts is 3, asked is 0"),
        (
            _BEFORE,
            _load(pools={}, k6={"metrics": {"pool_timeouts": {"values": {"count": 3}}}}),
            "pool timeouts is 3, asked is 0",
        ),
        (
            _BEFORE,
            _load(pools={"store": _pool(0.3), "source": _pool(1.0)}),
            "fullest pool (source) in use, p95 is 100 %, asked is < 80 %",
        ),
    ],
)
def test_what_is_broken_or_worse_may_not(before: Load, after: Load, because: str) -> None:
    found = compare(before, after)
    assert found.verdict is Verdict.NO_GO
    assert because in found.because


def test_a_difference_nobody_feels_is_none() -> None:
    assert compare(_load(p95=0.010), _load(p95=0.015)).verdict is Verdict.GO


def test_a_refusal_beyond_what_was_promised_is_no_error() -> None:
    before, after = (_load(shape="spike", users=500, refused=count) for count in (0, 5000))
    assert compare(before, after).verdict is Verdict.GO


@pytest.mark.parametrize(
    ("after", "because"),
    [
        (_load(aborted=True), "the run after was aborted"),
        (_load(requests=900, seconds=10.8), "too few for a p99"),
        (_load(k6={}), "extractions failed was not measured"),
        (_load(pools={}), "fullest pool in use, p95 was not measured"),
        (_load(pools={}, k6={}), "pool timeouts was not measured"),
    ],
)
def test_what_was_not_measured_is_no_go(after: Load, because: str) -> None:
    found = compare(_BEFORE, after)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert because in found.because


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"shape": "ramp"}, "of the shape steady, the second of ramp"),
        ({"scenario": "another"}, "of the scenario 's', the second of 'another'"),
        ({"users": 50}, "had 100 users, the second 50"),
        ({"scale": 0.5}, "was to last 1 of the user's minutes, the second 0.5"),
    ],
)
def test_runs_of_two_kinds_are_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(errors.UsageError, match=re.escape(why)):
        compare(_BEFORE, _load(**changes))


def test_a_run_is_not_compared_with_itself() -> None:
    with pytest.raises(errors.UsageError, match="Both are one and the same run of optimized"):
        compare(_load(), _load(measured_at=datetime(2026, 11, 27, tzinfo=UTC)))


def test_a_run_without_a_scenario_goes_with_any() -> None:
    assert compare(_BEFORE, _load(scenario=k6.UNNAMED)).verdict is Verdict.GO


def _compare(folder: Path, before: str, after: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([_SCRIPT, before, after], cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    (tmp_path / "baseline.json").write_text(_BEFORE.model_dump_json())
    (tmp_path / "optimized.json").write_text(_load().model_dump_json())
    done = _compare(tmp_path, "baseline.json", "optimized.json")
    assert done.returncode == 0, done.stderr
    assert "GO: every figure the user asked for is kept" in done.stdout
    report = (tmp_path / "optimized-against-baseline.md").read_text()
    assert report.startswith("# GO: baseline → optimized: steady, 100 users, 1,800 s")
    assert "| p95 | 400.0 ms | 50.0 ms | < 200 ms | kept | better |" in report


def test_the_other_way_round_is_no_go(tmp_path: Path) -> None:
    (tmp_path / "baseline.json").write_text(_BEFORE.model_dump_json())
    (tmp_path / "optimized.json").write_text(_load().model_dump_json())
    done = _compare(tmp_path, "optimized.json", "baseline.json")
    assert done.returncode == 1
    assert "NO-GO: p95 is 400.0 ms, asked is < 200 ms" in done.stdout


def test_a_broken_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "baseline.json").write_text(_BEFORE.model_dump_json()[:-40])
    (tmp_path / "optimized.json").write_text(_load().model_dump_json())
    done = _compare(tmp_path, "baseline.json", "optimized.json")
    assert done.returncode == 2
    assert done.stderr.startswith("baseline.json is cut short: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "optimized-against-baseline.md").exists()
