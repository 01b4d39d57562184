"""The loads that a run asks of load-tests/run.sh, and what it takes for one that was measured."""

import shutil
from pathlib import Path

import pytest
from workflow.folder import Folder
from workflow.phases.load import STEP, unheld
from workflow.steps import Context, Outcome

from workflow import commands, scenario
from workflow_runs import ROOT
from workflow_runs import scenario as written

_KEPT = ROOT / "docs" / "acceptance" / "2026-11-26"


def _context(folder: Path) -> Context:
    file = written(
        folder, {"testing": ["load"]}, load={"shapes": ["ramp", "steady"]}, floors={"p95_seconds": 0.3, "error_rate": 0}
    )
    return Context(Folder.create(folder / "runs", scenario.load(str(file))), 1.0, print)


@pytest.mark.parametrize(("shape", "told"), [("spike", " (http_req_duration p(95)<200)"), ("steady", "")])
def test_a_load_that_was_not_held_says_which_threshold(shape: str, told: str) -> None:
    assert unheld(_KEPT / f"optimized-{shape}.json") == told


def test_the_old_way_is_loaded_as_it_is_compared_and_all_by_the_scenarios_floors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report compares the steady load, wherever the scenario names it."""
    asked: list[dict[str, str]] = []

    def run(words: list[str], log: Path, _: float) -> commands.Done:
        asked.append(dict(zip(words[1::2], words[2::2], strict=True)))
        shutil.copyfile(_KEPT / "optimized-steady.json", asked[-1]["--output"])
        return commands.Done("load-tests/run.sh", 0, 1.0, log)

    monkeypatch.setattr(commands, "run", run)
    assert STEP.run(_context(tmp_path)).outcome is Outcome.PASSED
    names = [Path(one["--output"]).stem for one in asked]
    assert names == ["baseline-steady", "optimized-ramp", "optimized-steady"]
    assert {(one["--p95"], one["--p99"], one["--errors"], one["--timeouts"]) for one in asked} == {
        ("0.3", "0.5", "0", "0")
    }


def test_the_file_of_an_earlier_try_is_not_taken_for_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = _context(tmp_path)
    shutil.copyfile(_KEPT / "optimized-steady.json", context.folder.file("testing/load/baseline-steady.json"))

    def run(_: list[str], log: Path, __: float) -> commands.Done:
        log.write_text("k6 is not installed\n", encoding="utf-8")
        return commands.Done("load-tests/run.sh", 2, 1.0, log)

    monkeypatch.setattr(commands, "run", run)
    result = STEP.run(context)
    assert result.outcome is Outcome.FAILED
    assert result.because == "baseline under the steady load was not measured: k6 is not installed"
