"""Runs: documents, a gate that stops, a run that is taken up again, and what is asked wrongly."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from workflow.folder import Folder

from workflow_runs import NAME, ROOT, run, scenario

_PAPER = {"planning": ["plan"], "design": ["indexes", "pool", "batch", "cache", "threads"], "operations": ["lessons"]}


def test_the_documents_are_made_from_scenario_and_profiles(tmp_path: Path) -> None:
    ended = run(tmp_path, "--mode", "full", "--scenario", scenario(tmp_path, _PAPER), "--scale", "0.1")
    assert ended.status == 1, ended.said + ended.told
    assert ended.folder is not None
    assert (ended.state["verdict"], set(ended.outcomes().values())) == ("INCONCLUSIVE", {"passed"})
    assert "the scenario asks for no report, which decides" in ended.said
    text = {file.stem: file.read_text(encoding="utf-8") for file in ended.folder.glob("*/*.md")}
    assert {"plan", "indexes", "pool", "batch", "cache", "threads", "after"} == set(text)
    assert "| P1 |" in text["plan"]
    assert "| MEDIUM | 6.3 (scale 0.1) |" in text["plan"]
    assert "at least 20,000 records a minute" in text["plan"]
    assert (
        "| `idx_extraction_status_created` | store, extractions | status, created_at | builds it |" in text["indexes"]
    )
    assert "| `pool.maximum` | 10 | 50 | yes |" in text["pool"]
    assert "| optimized | 50 |" in text["pool"]
    assert "48 hours from the commit" in text["after"]
    assert yaml.safe_load((ended.folder / "scenario.yml").read_text(encoding="utf-8"))["name"] == NAME


def test_quality_makes_no_design(tmp_path: Path) -> None:
    ended = run(tmp_path, "--mode", "quality", "--scenario", scenario(tmp_path, _PAPER))
    assert ended.folder is not None, ended.told
    assert not (ended.folder / "design").exists()
    assert [phase["outcome"] for phase in ended.state["phases"]] == [
        "skipped", "skipped", "skipped", "skipped", "passed",
    ]  # fmt: skip


def test_a_gate_that_does_not_hold_stops_the_run(tmp_path: Path) -> None:
    """Nothing was measured, so nothing is accepted; what comes after is not done, also when resumed."""
    file = scenario(tmp_path, {"testing": ["report"], "operations": ["lessons"]})
    begun = run(tmp_path, "--scenario", file)
    assert begun.folder is not None, begun.told
    for ended in (begun, run(tmp_path, "--resume", begun.folder)):
        assert ended.status == 1
        assert "the gate of testing does not hold: report: " in ended.said
        assert ended.state["verdict"] == "INCONCLUSIVE"
        assert ended.outcomes() == {"report": "not done", "lessons": None}
        assert [phase["outcome"] for phase in ended.state["phases"][2:]] == ["not done", "skipped", "pending"]
        report = json.loads((begun.folder / "report.json").read_text(encoding="utf-8"))
        assert report["verdict"] == "INCONCLUSIVE"
        assert not (begun.folder / "operations").exists()


@pytest.mark.ci
def test_what_could_not_be_done_is_no_go_until_it_is(tmp_path: Path) -> None:
    file = scenario(tmp_path, {"planning": ["plan"], "operations": ["monitoring", "lessons"]})
    begun = run(tmp_path, "--mode", "full", "--scenario", file, PATH="/nonexistent")
    assert begun.folder is not None, begun.told
    assert (begun.status, begun.state["verdict"]) == (1, "INCONCLUSIVE")
    assert begun.outcomes() == {"plan": "passed", "monitoring": "not done", "lessons": None}
    check = json.loads((begun.folder / "operations" / "monitoring.json").read_text(encoding="utf-8"))
    assert check["outcome"] == "not done"
    assert "promtool is not installed" in check["because"]
    again = run(tmp_path, "--resume", begun.folder)
    assert again.state["because"].endswith("every gate has been passed"), again.said + again.told
    assert "plan: write" not in again.said, "it was done before"
    assert again.outcomes() == {"plan": "passed", "monitoring": "passed", "lessons": "passed"}


def test_what_may_be_left_is_told(tmp_path: Path) -> None:
    file = scenario(tmp_path, {"operations": ["monitoring", "lessons"]}, may_be_left=["monitoring"])
    ended = run(tmp_path, "--scenario", file, PATH="/nonexistent")
    assert "every gate has been passed; not done: operations.monitoring" in ended.said


def test_a_dry_run_says_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    ended = run(tmp_path, "--scenario", NAME, "--dry-run", "--scale", "0.033")
    assert ended.status == 0, ended.told
    lines = ended.said.splitlines()
    assert lines[:2] == ["planning: skipped, the mode is quality", "design: skipped, the mode is quality"]
    assert any("ansible-playbook jivs.extraction.rollout" in line for line in lines)
    assert any("benchmarks.ab" in line and "--rows 20000" in line for line in lines)
    assert any("optimized steady, optimized ramp, optimized spike, optimized stress" in line for line in lines)
    assert any("dependency_audit may be left" in line for line in lines)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Say what is to be accepted: --scenario NAME."),
        (["--scenario", "Extraction Servce"], "There is no scenario 'Extraction Servce'"),
        (["--scenario", NAME, "--set", "after"], "--set is NAME=VALUE"),
        (["--scenario", NAME, "--set", "after=optimised"], "There is no profile optimised. Did you mean optimized?"),
        (["--scenario", NAME, "--inventory", "nowhere.yml"], "There is no inventory nowhere.yml."),
        (["--scenario", NAME, "--scale", "0"], "a number above 0"),
        (["--scenario", NAME, "--mode", "fast"], "invalid choice: 'fast'"),
        (["--resume", "nothing"], "nothing is no run's folder: it holds no scenario.yml."),
        (["--resume", "nothing", "--scale", "1"], "--resume goes on with what the run was begun with"),
    ],
)
def test_what_is_asked_wrongly_begins_nothing(tmp_path: Path, words: list[str], told: str) -> None:
    ended = run(tmp_path, *words)
    assert ended.status == 2
    assert told in ended.told
    assert not (tmp_path / "runs").exists()


def test_a_run_that_is_named_from_where_one_is_has_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = run(tmp_path, "--scenario", scenario(tmp_path, {"operations": ["lessons"]}))
    assert begun.folder is not None
    monkeypatch.chdir(begun.folder.parent)
    named = Path(begun.folder.name)
    assert Folder.open(named).profile("optimized") == begun.folder / "profiles" / "optimized.yml"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not whole"),
        ('{"mode": "quality"', "is not whole"),
        ('{"mode": "qualty"}', "cannot be used"),
        (None, "read"),
    ],
)
def test_a_state_that_is_not_whole_is_not_gone_on_with(tmp_path: Path, text: str | None, told: str) -> None:
    begun = run(tmp_path, "--scenario", scenario(tmp_path, {"operations": ["lessons"]}))
    assert begun.folder is not None
    state = begun.folder / "state.json"
    state.unlink() if text is None else state.write_text(text, encoding="utf-8")
    ended = run(tmp_path, "--resume", begun.folder)
    assert ended.status == 2
    assert told in ended.told
    assert "Begin a new run." in ended.told


@pytest.mark.ci
def test_the_script_is_the_same_from_anywhere(tmp_path: Path) -> None:
    script: list[str | Path] = [ROOT / "workflow-orchestrator.sh", "--scenario", NAME, "--dry-run"]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == run(tmp_path, "--scenario", NAME, "--dry-run", "--runs", ROOT / "runs").said
