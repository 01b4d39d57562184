"""A run that goes on: its report tells what came after it, what was mended counts, and one verdict is of one code."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from workflow.code import Code
from workflow.folder import Folder
from workflow.phases import STEPS
from workflow.progress import Progress
from workflow.steps import Context, Result, Step, failed, passed

from report.folders import SCENARIO, whole, write
from workflow import code, runner, scenario
from workflow import progress as states
from workflow_runs import scenario as written

_COMMIT = "0123456789abcdef"


@dataclass(slots=True)
class Given:
    """A run of a scenario, in which all is measured and holds; steps are the test's own, but for the report."""

    context: Context
    monkeypatch: pytest.MonkeyPatch
    done: list[str] = field(default_factory=list)  # names of steps, as they were done
    told: list[str] = field(default_factory=list)

    def step(self, phase: str, name: str, run: Callable[[], Result], *, on_fleet: bool = False) -> None:
        def noted(_: Context) -> Result:
            self.done.append(name)
            return run()

        self.monkeypatch.setitem(STEPS[phase], name, Step(name, lambda _: name, noted, on_fleet=on_fleet))

    def code(self, digest: str | None) -> None:
        """Which is here from now on."""
        found = None if digest is None else Code(commit=_COMMIT, changed=False, digest=digest)
        self.monkeypatch.setattr(code, "here", lambda *_: found)

    def run(self) -> Progress:
        self.done.clear()
        begun = (self.context.folder.path / "state.json").exists()
        found = (
            states.read(self.context.folder)
            if begun
            else Progress(mode="quality", scale=1, phases=runner.plan(self.context.scenario, "quality"))
        )
        return runner.Run(self.context, found).run()

    def report(self) -> str:
        told: str = json.loads((self.context.folder.path / "report.json").read_text(encoding="utf-8"))["verdict"]
        assert f"{told}: {SCENARIO}" in (self.context.folder.path / "report.html").read_text(encoding="utf-8")
        return told


def _given(folder: Path, monkeypatch: pytest.MonkeyPatch, **phases: list[str]) -> Given:
    file = written(folder, phases, name=SCENARIO, load={"shapes": ["steady"]})
    made = Folder.create(folder / "runs", scenario.load(str(file)))
    given = Given(Context(made, 1.0, print), monkeypatch)
    given.context.tell = given.told.append
    write(made.path, whole(), without=["scenario.yml"])
    given.step("testing", "rollout", lambda: passed("committed"), on_fleet=True)
    monkeypatch.setattr(runner.Run, "_taken_back", lambda _: "the fleet was taken back in 0 s")
    given.code("one")
    return given


def test_the_report_tells_a_rollout_that_came_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = _given(tmp_path, monkeypatch, testing=["report", "rollout"])
    before: list[str] = []

    def rollout() -> Result:
        before.append(given.report())
        return failed("the canary was slower")

    given.step("testing", "rollout", rollout, on_fleet=True)
    ended = given.run()
    assert (before, ended.verdict) == (["GO"], "NO-GO")
    assert given.report() == "NO-GO"


@pytest.mark.parametrize(("phase", "step"), [("compliance", "secrets"), ("operations", "monitoring")])
def test_what_failed_and_was_mended_counts_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str, step: str
) -> None:
    """The fleet is gone with the run, so that testing, and the report with it, come again before what was mended."""
    given = _given(tmp_path, monkeypatch, testing=["rollout", "report"], **{phase: [step]})
    given.step(phase, step, lambda: failed("it is not so"))
    assert given.run().verdict == "NO-GO"
    assert given.report() == "NO-GO"
    given.step(phase, step, lambda: passed("it is so now"))
    ended = given.run()
    assert (ended.verdict, given.done) == ("GO", ["rollout", step]), given.told
    assert given.report() == "GO"


def _measured(given: Given) -> None:
    """Steps that measure, each with its files; compliance has something against it at first."""
    files = whole()
    for name, those in (("tests", "testing/tests"), ("comparison", "testing/"), ("load", "testing/load/")):
        found = {file: one for file, one in files.items() if file.startswith(those) and "testing/" in file}

        def run(found: dict[str, Any] = found) -> Result:
            write(given.context.folder.path, found)
            return passed("measured")

        given.step("testing", name, run)
    given.step("compliance", "bandit", lambda: passed("nothing new"))
    given.step("compliance", "secrets", lambda: failed("there is one"))


_ALL = {"testing": ["tests", "rollout", "comparison", "load", "report"], "compliance": ["bandit", "secrets"]}


@pytest.mark.parametrize("digest", ["two", None])
def test_what_other_code_has_done_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digest: str | None
) -> None:
    given = _given(tmp_path, monkeypatch, **_ALL)
    _measured(given)
    assert given.run().verdict == "NO-GO"
    assert given.run().verdict == "NO-GO"
    assert given.done == ["rollout", "secrets"], "by the same code, only what is to be done again"
    given.code(digest)
    given.step("compliance", "secrets", lambda: passed("it is gone"))
    ended = given.run()
    assert (ended.verdict, given.done) == ("GO", ["tests", "rollout", "comparison", "load", "bandit", "secrets"])
    assert ended.code == code.here(tmp_path)
    assert any("All but planning and design is done again." in line for line in given.told)
    assert any((given.context.folder.path / "earlier").glob("*/load/optimized-steady.json"))


def test_figures_of_other_code_are_in_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = _given(tmp_path, monkeypatch, **_ALL)
    _measured(given)
    given.run()
    given.code("two")
    given.step("testing", "comparison", lambda: failed("there is no room on the disk"))
    assert given.run().verdict == "NO-GO"
    assert given.done == ["tests", "rollout", "comparison"]
    text = (given.context.folder.path / "report.md").read_text(encoding="utf-8")
    assert "There is no testing/throughput.json." in text


def test_a_rollout_that_is_in_force_on_the_users_fleet_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = _given(tmp_path, monkeypatch, **_ALL)
    given.context.inventory = tmp_path / "hosts.yml"
    _measured(given)

    def stopped() -> Result:
        raise SystemExit(143)

    given.step("compliance", "secrets", stopped)
    with pytest.raises(SystemExit):
        given.run()
    given.code("two")
    given.step("compliance", "secrets", lambda: passed("it is gone"))
    assert given.run().verdict == "GO"
    assert given.done == ["tests", "comparison", "load", "bandit", "secrets"]
    assert any("but for the rollout, which is in force on your fleet." in line for line in given.told)
