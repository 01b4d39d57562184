"""Operations: what keeps it true afterwards is in place: rules, alerts, dashboards, the watch, questions to users."""

import json
from typing import Any

from workflow import commands, pytest
from workflow import markdown as md
from workflow.phases import planning
from workflow.steps import Context, Result, Step, failed, not_done, passed

_SECONDS = 900.0
_RULES = "prometheus"


def _monitoring(context: Context) -> Result:
    """promtool reads the rules, and runs their tests: firing when they should, silent when not."""
    program = commands.found("promtool")
    if program is None:
        return not_done("promtool is not installed (Debian: apt-get install prometheus)")
    log = context.folder.file("operations/monitoring.log")
    folder = commands.ROOT / _RULES
    rules, tests = (
        [str(path.relative_to(folder)) for path in sorted(folder.glob(pattern))]
        for pattern in ("*.rules.yml", "tests/*.yml")
    )
    said = []
    for words in ([program, "check", "rules", *rules], [program, "test", "rules", *tests]):
        done = commands.run(words, log, _SECONDS, folder=folder)
        said.append(done.command)
        if done.status:
            return failed(f"the rules do not hold: {done.last_words}", done.command)
    return passed(f"{len(rules)} files of rules are right, and so are their tests", "; ".join(said))


def _tested(name: str) -> Step:
    """A step that is the tests below tests/<name>."""
    path = f"tests/{name}"

    def run(context: Context) -> Result:
        return pytest.proof([path], context.folder.file(f"operations/{name}.log"), _SECONDS)

    return Step(name, lambda _: commands.shown(pytest.words([path], "ci or not ci", parallel=False)), run)


def _watch(context: Context) -> Result:
    """What the store has of the watch: which hosts look on, for how long still."""
    found = context.fleet().ask("rollout", "watch")
    told: dict[str, Any] = found["answer"] if isinstance(found["answer"], dict) else {}
    context.folder.write("operations/watched.json", json.dumps(told, indent=2) + "\n")
    if told.get("outcome") != "watched":
        return failed(f"nobody watches: {told.get('outcome', found['sentence'])}", "extractctl rollout watch", **told)
    blind = [one["host"] for one in told["hosts"] if not one["seconds"]]
    if blind or not told["hosts"]:
        who = ", ".join(blind) or "any host"
        return failed(f"the watch has begun, but {who} has not looked yet", "extractctl rollout watch", **told)
    return passed(f"the guards of each host watch for {context.scenario.watch_hours:g} hours from the commit",
                  "extractctl rollout watch")  # fmt: skip


def _lessons(context: Context) -> Result:
    """What is known now; what only the watch and the users will tell is asked, not made up."""
    scenario = context.scenario
    file = "operations/after.md"
    text = md.page(
        f"After the change: {scenario.name}",
        "## The watch",
        f"{scenario.watch_hours:g} hours from the commit, by the guards of each host. `extractctl rollout watch` says "
        "how it goes, and afterwards whether it has held; a guard that trips takes the fleet back.",
        md.bullets(f"{number}: {what} {floor}" for number, what, floor in planning.metrics(context)),
        "## Feedback to ask for",
        md.bullets(f"{question} ……" for question in scenario.feedback)
        if scenario.feedback
        else "The scenario asks none.",
        "## Lessons so far",
        md.bullets(scenario.lessons) if scenario.lessons else "None yet.",
        "## Techniques",
        "What each technique brought, measured one by one, is in `docs/explanation/techniques.md`; what this run has "
        "measured is in `report.html`.",
    )
    context.folder.write(file, text)
    return passed(f"{file}: what to watch and to ask, and what was learnt")


STEPS = (
    Step("monitoring", lambda _: f"promtool check rules and test rules, in {_RULES}", _monitoring),
    _tested("alerts"),
    _tested("dashboards"),
    Step("watch", lambda _: "ask the store whether the committed rollout is watched", _watch, on_fleet=True),
    Step("lessons", lambda _: "write operations/after.md: watch, feedback, lessons", _lessons),
)
