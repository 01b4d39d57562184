"""Old against new: the command at a tiny size, what it writes, and what it refuses. No figure of time is asserted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from extraction_agent.report.evidence import Queries, Resources, Throughput

_ROOT = Path(__file__).parents[2]
ROWS = 600


def _run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EXTRACTION_")}
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.ab", *arguments],
        cwd=_ROOT, env=environment, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip


@pytest.mark.ci
def test_profiles_are_compared_on_the_same_data(tmp_path: Path) -> None:
    profile = tmp_path / "mine.yml"
    profile.write_text("name: mine\ndescription: of a test\nextends: optimized\nsettings: {pool: {maximum: 25}}\n")
    done = _run(
        "--scenario", "A test", "--output", str(tmp_path / "testing"), "--profiles", f"baseline,{profile}",
        "--rows", str(ROWS), "--runs", "1", "--seconds", "6", "--offered", "1000",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "\nmine" in done.stdout

    throughput = Throughput.model_validate_json((tmp_path / "testing/throughput.json").read_text())
    assert throughput.scenario == "A test"
    assert list(throughput.profiles) == ["baseline", "mine"]
    for profiled in throughput.profiles.values():
        assert [run.round for run in profiled.runs] == [1]
        assert {run.records for run in profiled.runs} == {ROWS}

    resources = Resources.model_validate_json((tmp_path / "testing/resources.json").read_text())
    for name, most in (("baseline", 10), ("mine", 25)):
        for run in resources.profiles[name].runs:
            assert run.records == 100  # 1,000 a minute for 6 s
            assert run.agent_cpu_seconds
            assert run.store_cpu_seconds
            assert run.pools["store"].most == most
            assert run.rss_peak_bytes
            assert run.connections_most
            assert run.samples
    pooled = [resources.profiles[name].runs[0].connections_most or 0 for name in ("baseline", "mine")]
    assert pooled[1] > pooled[0]  # 20 kept open, not 10

    queries = Queries.model_validate_json((tmp_path / "testing/queries.json").read_text())
    plans = {
        name: next(one.plan or "" for one in of.statements if one.name == "records of an extraction, by time")
        for name, of in queries.profiles.items()
    }
    assert "Seq Scan" in plans["baseline"]
    assert "idx_extraction_data_extracted_at" in plans["mine"]
    for of in queries.profiles.values():
        assert all(run.count > 0 for run in of.runs)
        assert {"class list", "class claim"} <= {one.name for one in of.statements}
        assert any(one.name.startswith("pg_stat_statements: ") for one in of.statements)


def test_what_is_asked_wrongly_is_a_sentence(tmp_path: Path) -> None:
    misspelt = _run("--scenario", "x", "--output", str(tmp_path), "--profiles", "baseline,optimised")
    assert misspelt.returncode == 2
    assert misspelt.stderr == "There is no profile optimised. Did you mean optimized?\n"
    twice = _run("--scenario", "x", "--output", str(tmp_path), "--profiles", "optimized,optimized")
    assert twice.returncode == 2
    assert "named twice" in twice.stderr
    assert not list(tmp_path.iterdir())
