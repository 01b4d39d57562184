"""Risks and lessons: those the scenario names, and what the figures themselves say."""

from collections.abc import Iterator
from typing import Literal

from extraction_agent.model import Strict
from extraction_agent.report import evidence, folder
from extraction_agent.report.acceptance import Line, Part
from extraction_agent.report.figures import Figures, pointer, shown
from extraction_agent.report.regression import Regression
from extraction_agent.report.resources import Resource

THIN = 0.1  # of a floor: a figure so near to it holds, but not by much
TOLD_APART = 1.5  # times: a statement's time changed by so much is worth a line
CALLS = 100  # of a statement at least, for its 95th percentile
STATEMENTS = 4  # lines at most


class Remark(Strict):
    """A sentence, and the figures it stands on."""

    text: str
    of: tuple[str, ...] = ()


class RiskRemark(Remark):
    """Something that may go wrong."""

    level: Literal["LOW", "MEDIUM", "HIGH"] | None = None  # None: measured, not estimated


def risks(run: folder.Folder, lines: tuple[Line, ...]) -> tuple[RiskRemark, ...]:
    """The scenario's, then what was seen."""
    named = (
        RiskRemark(
            text=f"{one.risk}: {one.answer}", of=(pointer(folder.SCENARIO, "risks", str(number)),), level=one.level
        )
        for number, one in enumerate(run.scenario.risks)
    )
    return (*named, *_thin(lines), *_of_loads(run), *_left_out(run))


def lessons(run: folder.Folder, rows: tuple[Resource, ...], regressions: tuple[Regression, ...]) -> tuple[Remark, ...]:
    """The scenario's, then what was measured: gains, their price, and losses."""
    named = (
        Remark(text=text, of=(pointer(folder.SCENARIO, "lessons", str(number)),))
        for number, text in enumerate(run.scenario.lessons)
    )
    return (*named, *_price(rows), *_losses(regressions), *_statements(run))


def _thin(lines: tuple[Line, ...]) -> Iterator[RiskRemark]:
    for line in lines:
        for part in line.parts:
            if part.outcome == "holds" and part.held and part.limit and _margin(part) < THIN and _can_vary(line):
                yield RiskRemark(
                    text=f"{line.id} holds by little: {part.what} {part.held.shown}, the floor is {part.floor}.",
                    of=part.held.of,
                )


def _can_vary(line: Line) -> bool:
    return line.id not in ("A8", "A9")  # what is set up, not what came of it


def _margin(part: Part) -> float:
    assert part.held is not None
    return abs(part.limit - part.held.value) / part.limit


def _of_loads(run: folder.Folder) -> Iterator[RiskRemark]:
    for name, load in run.found.items():
        if not isinstance(load, evidence.Load):
            continue
        if load.scale < 1:
            yield RiskRemark(
                text=f"The load {load.shape} of {load.profile} lasted {shown(load.seconds, 's')}, {load.scale:.3g} of "
                "the user's time: what shows only later was not looked for.",
                of=(pointer(name, "scale"), pointer(name, "seconds")),
            )
        if load.refused and load.profile == run.scenario.after:
            yield RiskRemark(
                text=f"Under the load {load.shape}, {load.refused:,} of {load.requests:,} requests were beyond "
                "capacity, and told to come again.",
                of=(pointer(name, "refused"), pointer(name, "requests")),
            )


def _left_out(run: folder.Folder) -> Iterator[RiskRemark]:
    tests = run.get(folder.TESTS, evidence.Tests)
    if tests and (tests.skipped or tests.deselected):
        told, counted = f"{tests.skipped:,} tests were skipped", [pointer(folder.TESTS, "skipped")]
        if tests.deselected:
            told += f", {tests.deselected:,} were not selected"
            counted.append(pointer(folder.TESTS, "deselected"))
        yield RiskRemark(text=f"{told}: of what they test nothing is known.", of=tuple(counted))
    for name, check in run.checks().items():
        if check.outcome == "not done":
            of = (pointer(name, "outcome"),)
            yield RiskRemark(text=f"{check.name} was not done, so nothing is known of it: {check.because}", of=of)
    machine = run.get(folder.MACHINE, evidence.Machine)
    if machine and machine.load_average and machine.load_average[0] > machine.cores:
        yield RiskRemark(
            text=f"The machine had other work: a load of {machine.load_average[0]:g} on {machine.cores} cores.",
            of=(pointer(folder.MACHINE, "load_average", "0"), pointer(folder.MACHINE, "cores")),
        )


def _price(rows: tuple[Resource, ...]) -> Iterator[Remark]:
    """The gain at full load, and what it takes."""
    at_full = {one.what: one for one in rows if one.where == "full load"}
    speed = at_full.get("throughput")
    if speed is None or speed.before is None or speed.after is None:
        return
    told = f"At full load {speed.after.shown} instead of {speed.before.shown}"
    of = [*speed.before.of, *speed.after.of]
    for what in ("CPU of the agent, each record", "peak memory of the agent"):
        row = at_full.get(what)
        if row and row.before and row.after:
            told += f"; {what} {row.after.shown} instead of {row.before.shown}"
            of += [*row.before.of, *row.after.of]
    yield Remark(text=f"{told}.", of=tuple(of))


def _losses(regressions: tuple[Regression, ...]) -> Iterator[Remark]:
    """What became worse for certain, though no more than tolerated."""
    for one in regressions:
        if one.change is None or one.low is None or one.high is None:
            continue
        worse = one.high < 0 if one.rule.startswith("fall") else one.low > 0
        if worse:
            yield Remark(
                text=f"It has a price: {one.metric} ({one.where}) changed by {one.shown_change} "
                f"({one.shown_interval}).",
                of=one.of,
            )


def _statements(run: folder.Folder) -> Iterator[Remark]:
    """Statements that became faster or slower, where both profiles tell of them."""
    queries = run.get(folder.QUERIES, evidence.Queries)
    sides = [queries.profiles.get(side) for side in (run.scenario.before, run.scenario.after)] if queries else []
    if None in sides or not sides:
        return
    old, new = ({one.name: (place, one) for place, one in enumerate(side.statements)} for side in sides if side)
    figures, found = Figures(run.raw), []
    for name in (name for name in old if name in new and min(old[name][1].calls, new[name][1].calls) >= CALLS):
        of = [
            pointer(folder.QUERIES, "profiles", side, "statements", str(places[name][0]), "p95_seconds")
            for side, places in ((run.scenario.before, old), (run.scenario.after, new))
        ]
        before, after = (figures.take("as it is", one, unit="s") for one in of)
        if before and after and before.value and after.value:
            word = "sooner" if after.value < before.value else "later"
            text = f"{name}: 95 % of answers come {word}, within {after.shown} instead of {before.shown}."
            times = max(after.value / before.value, before.value / after.value)
            found.append((times, Remark(text=text, of=tuple(of))))
    found.sort(key=lambda one: -one[0])
    yield from (remark for times, remark in found[:STATEMENTS] if times >= TOLD_APART)
