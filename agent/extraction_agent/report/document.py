"""The whole report as data: what report.json holds, and what HTML and Markdown are made from."""

from typing import Literal

from pydantic import AwareDatetime

from extraction_agent.model import Strict, Verdict
from extraction_agent.report import (
    acceptance,
    evidence,
    folder,
    impact,
    loads,
    regression,
    remarks,
    resources,
    verdict,
)
from extraction_agent.report.figures import Figure, Figures, pointer


class File(Strict):
    """A file of the run folder, as it was when the report was made."""

    name: str
    bytes: int
    sha256: str


class Check(Strict):
    """Something that compliance or operations looked at."""

    name: str
    outcome: Literal["passed", "failed", "not done"]
    because: str
    file: str


class Report(Strict):
    """`measured_at` is that of the newest file: the same folder gives the same report."""

    kind: Literal["report"] = "report"
    version: Literal[1] = 1
    scenario: str
    description: str
    before: str
    after: str
    measured_at: AwareDatetime | None
    verdict: Verdict
    sentence: str
    because: tuple[str, ...]
    times: Figure | None  # throughput after by before
    lines: tuple[acceptance.Line, ...]
    regressions: tuple[regression.Regression, ...]
    resources: tuple[resources.Resource, ...]
    loads: tuple[loads.LoadRow, ...]
    impact: impact.Impact
    risks: tuple[remarks.RiskRemark, ...]
    lessons: tuple[remarks.Remark, ...]
    checks: tuple[Check, ...]
    phases: tuple[evidence.Phase, ...]
    machine: evidence.Machine | None
    files: tuple[File, ...]


def make(run: folder.Folder) -> Report:
    """Of everything in the folder."""
    scenario = run.scenario
    lines = acceptance.lines(run)
    judged = regression.regressions(run)
    rows = resources.resources(run)
    decided = verdict.decide(run, lines, judged)
    speed = (
        pointer(folder.THROUGHPUT, "profiles", side, "runs", "*", "records_per_minute")
        for side in (scenario.before, scenario.after)
    )
    times = Figures(run.raw).take("medians' ratio", *speed, unit="times")
    state = run.get(folder.STATE, evidence.State)
    return Report(
        scenario=scenario.name,
        description=scenario.description,
        before=scenario.before,
        after=scenario.after,
        measured_at=max((one.measured_at for one in run.found.values()), default=None),
        verdict=decided[0],
        sentence=verdict.sentence(decided, times),
        because=decided[1],
        times=times,
        lines=lines,
        regressions=judged,
        resources=rows,
        loads=loads.loads(run),
        impact=impact.impact(run),
        risks=remarks.risks(run, lines),
        lessons=remarks.lessons(run, rows, judged),
        checks=tuple(
            Check(name=one.name, outcome=one.outcome, because=one.because, file=name)
            for name, one in run.checks().items()
        ),
        phases=state.phases if state else (),
        machine=run.get(folder.MACHINE, evidence.Machine),
        files=tuple(File(name=one.name, bytes=one.bytes, sha256=one.sha256) for one in run.files),
    )
