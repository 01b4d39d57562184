"""Scenarios: the user's is shipped as it was asked for; a wrong one is told before anything begins."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow.runner import plan

from extraction_agent import errors
from extraction_agent.report.evidence import Floors
from workflow import scenario
from workflow_runs import NAME, SHIPPED


def _written(folder: Path, **changes: Any) -> Path:
    data = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    file = folder / "scenario.yml"
    file.write_text(yaml.safe_dump({**data, **changes}), encoding="utf-8")
    return file


def test_the_users_scenario_is_shipped() -> None:
    found = scenario.load(NAME)
    assert (found.priority, found.risk, found.watch_hours) == ("P1", "MEDIUM", 48)
    assert (found.before, found.after) == ("baseline", "optimized")
    assert found.floors == Floors(), "the user's figures"
    assert found.load.shapes == ("steady", "ramp", "spike", "stress")
    assert [phase.name for phase in plan(found, "full") if phase.outcome == "pending"] == [
        "planning", "design", "testing", "compliance", "operations",
    ]  # fmt: skip


def test_quality_has_no_planning_and_design() -> None:
    phases = plan(scenario.load(NAME), "quality")
    assert [phase.name for phase in phases if phase.outcome == "pending"] == ["testing", "compliance", "operations"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"flors": {}}, "unknown key flors: did you mean floors?"),
        ({"floors": {"p95_second": 1}}, "unknown key floors.p95_second: did you mean p95_seconds?"),
        ({"priority": "P0"}, "priority: input should be 'P1', 'P2', 'P3' or 'P4'."),
        ({"goals": []}, "goals: "),
        ({"risks": [{"risk": "x", "level": "SOME", "answer": "y"}]}, "risks.0.level: "),
        ({"watch_hours": 0}, "watch_hours: "),
    ],
)
def test_a_wrong_key_is_told(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(errors.UsageError) as raised:
        scenario.load(str(_written(tmp_path, **changes)))
    assert told in str(raised.value)
    assert str(raised.value).startswith(f"Scenario {tmp_path}")


@pytest.mark.parametrize(
    ("phases", "told"),
    [
        ({"testing": ["rolout"]}, "phases.testing has no step rolout: did you mean rollout?"),
        ({"compliance": ["tests"]}, "phases.compliance has no step tests: "),
    ],
)
def test_a_wrong_step_is_told(tmp_path: Path, phases: dict[str, list[str]], told: str) -> None:
    found = scenario.load(str(_written(tmp_path, phases=phases)))
    with pytest.raises(errors.UsageError, match=told):
        plan(found, "quality")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"load": {"shapes": ["ramp", "stress"]}}, "load.shapes lacks steady, under which baseline and optimized"),
        ({"floors": {"load_users": 200}}, "ask for 200 users for 1800 s; the steady load is 100 users for 1800 s"),
        ({"floors": {"load_seconds": 60}}, "ask for 100 users for 60 s; the steady load is 100 users for 1800 s"),
    ],
)
def test_loads_that_cannot_be_are_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(errors.UsageError, match=told):
        plan(scenario.load(str(_written(tmp_path, **changes))), "quality")
    plan(scenario.load(str(_written(tmp_path, phases={"testing": ["tests"]}, **changes))), "quality")


def test_a_step_that_may_be_left_exists(tmp_path: Path) -> None:
    found = scenario.load(str(_written(tmp_path, may_be_left=["dependencyaudit"])))
    with pytest.raises(errors.UsageError, match="did you mean dependency_audit"):
        plan(found, "quality")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Extraction Service Performance Optimisation", f"did you mean {NAME}"),
        ("nothing/there.yml", "cannot be read: No such file or directory."),
    ],
)
def test_a_wrong_name_is_told(name: str, told: str) -> None:
    with pytest.raises(errors.UsageError) as raised:
        scenario.load(name)
    assert told in str(raised.value)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "name: [", "name: \x00"])
def test_a_broken_file_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(errors.UsageError, match=r"is not a mapping|is not YAML"):
        scenario.load(str(file))


def test_profiles_go_by_their_names(tmp_path: Path) -> None:
    other = tmp_path / "other.yml"
    other.write_text("name: other\ndescription: Of a test.\nextends: optimized\n", encoding="utf-8")
    found = scenario.load(NAME, {"after": str(other)})
    names = {given: profile.name for given, profile in found.profiles().items()}
    assert names[str(other)] == "other"
    assert found.naming(names).after == "other"
    with pytest.raises(errors.UsageError, match="Two profiles of the scenario are named optimized"):
        scenario.load(NAME, {"before": "optimized"}).profiles()
    with pytest.raises(errors.UsageError, match="--set changes before and after"):
        scenario.load(NAME, {"profile": str(other)})
