"""Each shape of load against a real agent, for seconds instead of minutes; and what the scripts refuse."""

import json
from pathlib import Path

import pytest

from daemons import Daemon
from extraction_agent import errors
from extraction_agent.report import k6 as results
from load.conftest import K6

pytestmark = pytest.mark.ci
_TINY = "1/300"
_NOT_HELD = 99  # k6's: a threshold was crossed, which a busy machine may do


_SHAPES = [
    ("optimized", "steady", 100),
    ("optimized", "ramp", 200),
    ("optimized", "spike", 500),
    ("stress", "stress", 200),
]


def test_each_shape_is_run_and_kept(k6: K6, agent: Daemon, tmp_path: Path) -> None:
    for script, shape, users in _SHAPES:
        output = tmp_path / f"{shape}.json"
        done = k6.run(script, SHAPE=shape, SCALE=_TINY, OUTPUT=str(output))
        assert done.returncode in (0, _NOT_HELD), done.stdout + done.stderr
        load = results.read(output)  # which refuses a run without a served request
        assert (load.profile, load.shape, load.users, load.aborted) == ("optimized", shape, users, False)
        assert load.scale == pytest.approx(1 / 300, rel=0.01)
        assert load.failed == 0, done.stdout
        assert results.pool_timeouts(load) == 0
        assert ("1000 users  " in done.stdout) is (shape == "stress")
        assert agent.token not in output.read_text() + done.stdout + done.stderr


def test_users_do_all_that_users_do(k6: K6, agent: Daemon, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    done = k6.run("optimized", "--vus", "20", "--duration", "8s", OUTPUT=str(output))
    assert done.returncode in (0, _NOT_HELD), done.stdout + done.stderr
    load = results.read(output)
    assert (load.users, load.seconds, load.aborted) == (20, 8, False)
    assert load.scale == pytest.approx(8 / 1800, rel=0.01)
    metrics = json.loads(output.read_text())["k6"]["metrics"]
    assert metrics["checks"]["values"]["fails"] == 0
    assert metrics["extractions_started"]["values"]["count"] >= 1
    assert metrics["extractions_followed"]["values"]["count"] >= 1
    assert metrics["record_pages"]["values"]["count"] >= 5  # 500 records, 100 a page
    assert results.extractions_failed(load) == 0
    begun = agent.ask("/api/v1/extractions?limit=100").json()["extractions"]
    assert len(begun) == metrics["extractions_started"]["values"]["count"]  # a retry has begun none
    assert any(entry["action"] == "config.replaced" for entry in agent.ask("/api/v1/audit").json()["entries"])


def test_every_refusal_counts_and_is_waited_for(k6: K6, agent: Daemon, tmp_path: Path) -> None:
    agent.configure(profile="optimized", api={"rate_per_second": 2, "burst": 5})
    agent.reload()
    output = tmp_path / "result.json"
    done = k6.run("optimized", "--vus", "20", "--duration", "4s", OUTPUT=str(output))
    assert done.returncode == _NOT_HELD  # under the steady load a refusal is a failure
    load = results.read(output)
    assert load.refused > 5
    assert load.failed == 0
    assert "NOT HELD    http_req_failed rate<=0.01" in done.stdout


_REFUSED = [
    ({"SHAPE": "stedy"}, "SHAPE is stedy: it is one of steady, ramp, spike, stress."),
    ({"SCALE": "fast"}, "SCALE is fast: it is a number above 0"),
    ({"EXTRACTION_TOKEN": ""}, "EXTRACTION_TOKEN is not set"),
    ({"EXTRACTION_TOKEN": "wrong"}, "does not give /api/v1/tuning (401"),
    ({"EXTRACTION_URL": "http://127.0.0.1:1"}, "The agent at http://127.0.0.1:1 does not give"),
    ({"PROFILE": "baseline"}, "The agent runs the profile optimized, and extraction-optimized.js measures baseline"),
]


def test_what_cannot_be_measured_is_a_sentence(k6: K6, tmp_path: Path) -> None:
    for changes, words in _REFUSED:
        output = tmp_path / "result.json"
        done = k6.run("optimized", **{"SCALE": _TINY, "OUTPUT": str(output), **changes})
        assert done.returncode not in (0, _NOT_HELD)
        assert words in done.stderr
        if output.exists():
            with pytest.raises(errors.UsageError, match="holds no request: k6 failed before its users began"):
                results.read(output)
