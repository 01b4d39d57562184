"""Testing: the existing tests, the profile on a fleet, old against new, users, and the report that decides."""

import json
import math
from pathlib import Path
from typing import Any

from benchmarks import machine
from extraction_agent.model import Verdict
from extraction_agent.profiles import Profile
from extraction_agent.report import evidence
from workflow import commands, pytest
from workflow.fleet.fleet import failure
from workflow.folder import dumped
from workflow.phases import compliance, load
from workflow.steps import Context, Result, Step, failed, not_done, passed

ROLLOUT = "rollout"  # the step that changes the fleet
REPORT = "report"  # the step that decides
_PYTHON = str(commands.BIN / "python")
_TESTS, _COUNTING = 3600.0, 300.0  # s
_COMPARISON = 6 * 3600.0  # s
_LEAST_ROWS = 20_000  # of a table of which both profiles' speed can be told
_OFFERED, _LEAST_SECONDS = 60, 20  # s of a run under the offered load
_LEAST_SLOTS, _LEAST_RUN = 60, 3  # of the gate: with fewer it could not tell noise from change
_SLOTS_TO_END = 240  # that are allowed at least, so that a verdict can be reached at all
_REPORT = 600.0  # s


def _tests(context: Context) -> Result:
    select = context.scenario.tests.select
    left = pytest.deselected("tests", select, context.folder.file("testing/tests-counted.log"), _COUNTING)
    counted = pytest.run(_tests_command(context), context.folder.file("testing/tests.log"), _TESTS)
    context.folder.record(
        "testing/tests.json", evidence.Tests, command=counted.command, passed=counted.passed, failed=counted.failed,
        skipped=counted.skipped, deselected=left, seconds=counted.seconds,
    )  # fmt: skip
    if counted.failed or not counted.passed:
        return failed(f"{counted.first or 'no test was run'}: {counted.words}", counted.command)
    return passed(f"{counted.words}; {left:,} were not selected", counted.command)


def _tests_command(context: Context) -> list[str]:
    return pytest.words(["tests"], context.scenario.tests.select)


def _rollout(context: Context) -> Result:
    scenario, fleet = context.scenario, context.fleet()
    compliance.remember_audit(context)
    wanted = scenario.rollout
    profile = context.folder.file("testing/rollout/profile.yml")
    profile.write_text(dumped(_to_roll_out(context, here=fleet.here)), encoding="utf-8")
    before = fleet.latest()["rollout_id"]
    with fleet.at_work():
        done = fleet.roll_out(
            profile,
            extraction_rollout_waves=list(wanted.waves),
            extraction_rollout_slot_seconds=wanted.slot_seconds,
            extraction_rollout_run_slots=max(_LEAST_RUN, round(wanted.run_slots * context.scale)),
            extraction_rollout_baseline_slots=max(_LEAST_SLOTS, round(wanted.baseline_slots * context.scale)),
            extraction_rollout_watch_seconds=math.ceil(scenario.watch_hours * 3600),
            extraction_rollout_judge=str(commands.BIN / "extractctl"),
            extraction_rollout_samples=str(context.folder.file("testing/rollout/samples")),
        )
    because = failure(done) if done.status else "the play ended well, but began no rollout"
    told = fleet.latest()
    context.folder.write(compliance.ROLLED_OUT, json.dumps(told, indent=2) + "\n")
    if told["rollout_id"] == before:  # it ended before it began: what stands there is another's
        return failed(f"{scenario.after} was not rolled out. {because}", done.command)
    if told["state"] == "committed":
        fleet.committed = told["rollout_id"]
        if done.status == 0:
            where = (
                "three agents on this machine, which are no fleet of yours" if fleet.here else "the inventory's fleet"
            )
            return passed(f"{told['profile']} was judged GO wave by wave and committed, on {where}", done.command)
        return failed(f"{scenario.after} was committed, and then: {because}", done.command)
    return failed(_why_not(told, scenario.after), done.command)


def _why_not(told: dict[str, Any], profile: str) -> str:
    """What the rollout's record says."""
    verdicts = [f"wave {one['wave']} {one['verdict']}" for one in told["verdicts"]]
    away = [f"{one['host']} {one['state']}" for one in told["hosts"] if one["state"] != "back"]
    hosts = f"NOT ALL OF ITS HOSTS ARE BACK ({', '.join(away)})" if away else "its hosts are back"
    return (
        f"{profile} was {told['state']} and {hosts}: {told['reason']} ({', '.join(verdicts) or 'before any verdict'})"
    )


def _to_roll_out(context: Context, *, here: bool) -> Profile:
    """The new profile; on a fleet of this machine, whose hosts share its cores, with the scenario's wider gates."""
    found = context.profile(context.scenario.after)
    slots = max(_SLOTS_TO_END, round(context.scenario.rollout.slots_at_most * context.scale))
    gates = found.gates.model_dump() | {"slots_at_most": slots}
    if here:
        gates |= context.scenario.rollout.here
    return Profile.model_validate({**found.model_dump(mode="json"), "gates": gates})


def _comparison(context: Context) -> Result:
    _describe_machine(context)
    log = context.folder.file("testing/comparison.log")
    done = commands.run(_comparison_command(context), log, _COMPARISON)
    if done.status:
        return failed(f"old and new could not be compared: {done.last_words}", done.command)
    return passed("old and new were measured on the same data, interleaved", done.command)


def _comparison_command(context: Context) -> list[str]:
    scenario = context.scenario
    names = (scenario.before, scenario.after, *scenario.comparison.beside)
    rows = max(_LEAST_ROWS, round(scenario.comparison.rows * context.scale))
    seconds = max(_LEAST_SECONDS, round(_OFFERED * context.scale))
    return [
        *(_PYTHON, "-m", "benchmarks.ab", "--scenario", scenario.name),
        *("--output", str(context.folder.path / "testing")),
        *("--profiles", ",".join(str(context.folder.profile(name)) for name in names)),
        *("--rows", str(rows), "--runs", str(scenario.comparison.runs), "--seconds", str(seconds)),
        *("--offered", str(scenario.comparison.offered)),
    ]  # fmt: skip


def _describe_machine(context: Context) -> None:
    context.folder.record("testing/machine.json", evidence.Machine, **machine.describe())


def _report(context: Context) -> Result:
    words = [str(commands.BIN / "extractctl"), "report", str(context.folder.path)]
    done = commands.run(words, context.folder.file("testing/report.log"), _REPORT)
    report = context.folder.path / "report.json"
    if not report.is_file():
        return failed(f"there is no report: {done.last_words}", done.command)
    return _verdict(done, report)


def _verdict(done: commands.Done, report: Path) -> Result:
    told = json.loads(report.read_text(encoding="utf-8"))
    if told["verdict"] == Verdict.INCONCLUSIVE:
        return not_done(told["sentence"], done.command)
    return passed(told["sentence"], done.command) if done.status == 0 else failed(told["sentence"], done.command)


STEPS = (
    Step("tests", lambda context: commands.shown(_tests_command(context)), _tests),
    Step(
        ROLLOUT,
        lambda context: f"roll out {context.scenario.after} over {context.inventory or 'three agents made here'}: "
        "ansible-playbook jivs.extraction.rollout, each wave judged",
        _rollout, on_fleet=True,
    ),
    Step("comparison", lambda context: commands.shown(_comparison_command(context)), _comparison),
    load.STEP,
    Step(REPORT, lambda context: commands.shown(["extractctl", "report", str(context.folder.path)]), _report,
         always=True),
)  # fmt: skip
