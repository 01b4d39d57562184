"""k6's users on the new profile in every shape, and on the old one in that in which the report compares both."""

import json
from pathlib import Path

from extraction_agent import errors
from workflow import commands
from workflow.phases.planning import MINUTES
from workflow.scenario import Scenario
from workflow.steps import Context, Result, Step, failed, passed

LOAD = "load"  # the step
_COMPARED = "steady"  # the shape under which the report compares old and new
_USERS = 100  # of that shape, in load-tests/lib/shapes.js
_STORED, _LEAST_STORED = 1_000_000, 100_000  # records that stand in the store before users come
_AROUND = 900.0  # s that a load takes beyond its own minutes, at most


def check(scenario: Scenario) -> None:
    """Raises UsageError for what the loads cannot be, which would be known only after all of them."""
    if LOAD not in scenario.phases.testing:
        return
    if _COMPARED not in scenario.load.shapes:
        raise errors.UsageError(
            f"Scenario {scenario.name}: load.shapes lacks {_COMPARED}, under which {scenario.before} and "
            f"{scenario.after} are compared: add it."
        )
    floors, minutes = scenario.floors, MINUTES[_COMPARED]
    if (floors.load_users, floors.load_seconds) != (_USERS, 60 * minutes):
        raise errors.UsageError(
            f"Scenario {scenario.name}: floors ask for {floors.load_users} users for {floors.load_seconds:g} s; the "
            f"{_COMPARED} load is {_USERS} users for {60 * minutes} s: ask for that; --scale shortens it."
        )


def _load(context: Context) -> Result:
    log, missed = context.folder.file("testing/load.log"), {}
    for profile, shape in _loads(context):
        seconds = MINUTES[shape] * 60 * context.scale + _AROUND
        file = _file(context, profile, shape)
        file.unlink(missing_ok=True)  # of an earlier try, which is not this one's
        done = commands.run(_command(context, profile, shape), log, seconds)
        if not file.is_file():
            return failed(f"{profile} under the {shape} load was not measured: {done.last_words}", done.command)
        if done.status:
            missed[f"{profile} {shape}"] = unheld(file)
        context.tell(f"    {profile} {shape}: {'not held' if done.status else 'held'} in {done.seconds:,.0f} s")
    held = ", ".join(f"{profile} {shape}" for profile, shape in _loads(context) if f"{profile} {shape}" not in missed)
    told = f"held: {held or 'none'}; not held: {', '.join(f'{name}{why}' for name, why in missed.items()) or 'none'}"
    return failed(told) if any(one.startswith(f"{context.scenario.after} ") for one in missed) else passed(told)


def unheld(load: Path) -> str:
    """The thresholds that k6 saw crossed, as it writes them, in parentheses; empty if it was something else."""
    metrics = json.loads(load.read_text(encoding="utf-8"))["k6"]["metrics"]
    crossed = [
        f"{name.partition('{')[0]} {rule}"
        for name, metric in metrics.items()
        for rule, found in metric.get("thresholds", {}).items()
        if not found["ok"]
    ]
    return f" ({', '.join(crossed)})" if crossed else ""


def _loads(context: Context) -> list[tuple[str, str]]:
    scenario = context.scenario
    return [(scenario.before, _COMPARED), *((scenario.after, shape) for shape in scenario.load.shapes)]


def _file(context: Context, profile: str, shape: str) -> Path:
    return context.folder.file(f"testing/load/{profile}-{shape}.json")


def _command(context: Context, profile: str, shape: str) -> list[str]:
    stored, floors = max(_LEAST_STORED, round(_STORED * context.scale)), context.scenario.floors
    return [
        str(commands.ROOT / "load-tests" / "run.sh"), "--profile", str(context.folder.profile(profile)),
        "--shape", shape, "--scale", f"{context.scale:g}", "--scenario", context.scenario.name,
        "--output", str(_file(context, profile, shape)), "--stored-rows", str(min(stored, _STORED)),
        "--p95", f"{floors.p95_seconds:g}", "--p99", f"{floors.p99_seconds:g}",
        "--errors", f"{floors.error_rate:g}", "--timeouts", str(floors.pool_timeouts),
    ]  # fmt: skip


STEP = Step(
    LOAD,
    lambda context: (
        "load-tests/run.sh, k6's users: " + ", ".join(f"{profile} {shape}" for profile, shape in _loads(context))
    ),
    _load,
)
