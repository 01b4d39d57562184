"""Planning: what is to be reached, what it takes, what may go wrong, and how it will be known."""

from workflow import markdown as md
from workflow.steps import Context, Result, Step, passed

MINUTES = {"steady": 30, "ramp": 10, "spike": 7, "stress": 16}  # of the load's shapes, at scale 1
_FILE = "planning/plan.md"


def metrics(context: Context) -> list[tuple[str, str, str]]:
    """The success metrics: number, what, and its floor in words."""
    floors = context.scenario.floors
    return [
        ("A1", "throughput", f"at least {floors.throughput_records_per_minute:,.0f} records a minute"),
        (
            "A2", "answers of the API",
            f"p95 below {floors.p95_seconds * 1000:g} ms, p99 below {floors.p99_seconds * 1000:g} ms",
        ),
        ("A3", "answers of the store", f"p95 below {floors.query_p95_seconds * 1000:g} ms"),
        ("A4", "use of the connection pool", f"below {floors.pool_use:.0%}"),
        ("A5", "connections that did not come in time", f"{floors.pool_timeouts} at most"),
        ("A6", "memory", f"rises by less than {floors.memory_increase:.0%} at equal work"),
        ("A7", "CPU", f"rises by less than {floors.cpu_increase:.0%} at equal work"),
        (
            "A8", "load test",
            f"{floors.load_users} users for {floors.load_seconds / 60:g} minutes, {floors.error_rate:.0%} fail at most",
        ),
        ("A9", "existing tests", "all pass"),
    ]  # fmt: skip


def _plan(context: Context) -> Result:
    scenario = context.scenario
    minutes = sum(MINUTES[shape] for shape in scenario.load.shapes) * context.scale
    text = md.page(
        f"Plan: {scenario.name}",
        scenario.description,
        md.table(
            ("priority", "effort", "risk", "the load's minutes"),
            [(scenario.priority, scenario.effort, scenario.risk, f"{minutes:g} (scale {context.scale:g})")],
        ),
        "## Goals",
        md.bullets(scenario.goals),
        "## Success metrics",
        md.table(("", "what", "floor"), metrics(context)),
        "## Risks",
        md.table(("risk", "level", "answer"), [(one.risk, one.level, one.answer) for one in scenario.risks])
        if scenario.risks
        else "The scenario names none.",
        "## Phases",
        md.table(
            ("phase", "steps", "gate"),
            [
                (phase, ", ".join(steps) or "none", "each step has passed" if steps else "none")
                for phase, steps in scenario.phases.model_dump().items()
            ],
        ),
        f"May be left if what they need is not here: {', '.join(scenario.may_be_left)}."
        if scenario.may_be_left
        else "",
        "## The way back",
        f"`{scenario.after}` is tried on a canary first, judged against hosts that still run `{scenario.before}`; "
        "what is not judged GO is taken back at once. Whatever gate fails after the commit, the fleet is taken back to "
        f"`{scenario.before}`. For {scenario.watch_hours:g} hours afterwards each host's guards take it back.",
    )
    context.folder.write(_FILE, text)
    return passed(f"{_FILE}: priority {scenario.priority}, risk {scenario.risk}")


STEPS = (Step("plan", lambda _: f"write {_FILE}: goals, success metrics, effort, risks, phases", _plan),)
