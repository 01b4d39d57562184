"""A fleet of three real agents, changed by the collection's playbooks as part of a run.

Minutes each, on a machine that does nothing else: .venv/bin/pytest tests/workflow/rollouts.py
"""

import json
from pathlib import Path
from typing import Any

import pytest

from workflow_runs import Ended, run, scenario

pytestmark = pytest.mark.timeout(900)
_PLANTED = Path(__file__).with_name("planted.yml")
_HELPFUL = Path(__file__).with_name("helpful.yml")


def _rollout(ended: Ended) -> dict[str, Any]:
    """What the store said of the rollout."""
    assert ended.folder is not None, ended.told
    told: dict[str, Any] = json.loads((ended.folder / "testing" / "rollout" / "status.json").read_text("utf-8"))
    return told


def test_a_planted_regression_is_no_go_and_the_fleet_is_back(tmp_path: Path) -> None:
    file = scenario(tmp_path, {"testing": ["rollout"], "compliance": ["audit_log"]})
    ended = run(tmp_path, "--scenario", file, "--scale", "0.05", "--set", f"after={_PLANTED}")
    assert ended.status == 1, ended.said + ended.told
    assert ended.state["verdict"] == "NO-GO"
    assert ended.outcomes() == {"rollout": "failed", "audit_log": None}
    assert "planted was aborted and its hosts are back" in ended.said
    found = _rollout(ended)
    assert (found["profile"], found["state"]) == ("planted", "aborted")
    assert {host["state"] for host in found["hosts"]} == {"back"}
    assert ended.folder is not None
    assert list((ended.folder / "testing" / "rollout" / "samples").rglob("wave-1.jsonl")), "it was tried on a canary"


def test_a_gate_behind_a_commit_takes_the_fleet_back(tmp_path: Path) -> None:
    """The profile helps, and is committed wave by wave; nothing else was measured, so the report is no GO."""
    file = scenario(tmp_path, {"testing": ["rollout", "report"]})
    ended = run(tmp_path, "--scenario", file, "--scale", "0.05", "--set", f"after={_HELPFUL}")
    assert ended.status == 1, ended.said + ended.told
    assert ended.outcomes() == {"rollout": "passed", "report": "not done"}
    found = _rollout(ended)
    assert (found["profile"], found["state"]) == ("helpful", "committed")
    assert {one["verdict"] for one in found["verdicts"]} == {"GO"}
    assert ended.state["verdict"] == "INCONCLUSIVE"
    assert ended.state["taken_back"].startswith("the fleet was taken back in ")
