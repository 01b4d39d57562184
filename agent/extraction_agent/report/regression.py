"""Whether anything became worse: each metric before and after, judged with the judge's intervals.

Runs of one round did the same work within a minute of each other, so their ratio is what is averaged. Load tests follow
one another; they are compared in blocks longer than what a slot remembers, as the judge does without a partner.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from extraction_agent.judge.blocks import before_after
from extraction_agent.judge.evidence import Outcome
from extraction_agent.judge.measures import P95, P99, QUERY_P95, THROUGHPUT, Measure
from extraction_agent.judge.observed import NEW, OLD, Floats, Track
from extraction_agent.judge.rules import NARROW, Rule, each
from extraction_agent.judge.samples import quantile
from extraction_agent.judge.statistics import (
    DECORRELATIONS,
    Interval,
    blocks_needed,
    contrasts,
    decorrelation,
    interval,
    over_hosts,
)
from extraction_agent.model import Strict
from extraction_agent.profiles import Gates
from extraction_agent.report import evidence, folder
from extraction_agent.report.figures import Figure, Figures, Unit, pointer, shown
from extraction_agent.report.resources import unequal

_LEAST = "the least that counts,"
_LEAST_CPU = 0.05  # cores: of a server that takes less a few hundredths of a second, which /proc counts in, are a share
CPU = Measure("cpu", "cores", 1, relative=True, pooled=False)
MEMORY = Measure("memory", "bytes", 1, relative=True, pooled=False)


class Regression(Strict):
    """One metric. `low` and `high` are the interval of the change, 0.1: by 10 % more."""

    metric: str
    where: str
    before: Figure | None
    after: Figure | None
    change: float | None
    low: float | None
    high: float | None
    of: tuple[str, ...]  # pointers to what was compared
    compared: int  # rounds, or blocks of slots
    needed: int | None  # for an interval that is clear
    rule: str
    outcome: Outcome
    because: str

    @property
    def shown_interval(self) -> str:
        if self.low is None or self.high is None:
            return ""
        return f"{shown(self.low, 'increase')} to {shown(self.high, 'increase')}"

    @property
    def shown_change(self) -> str:
        return "" if self.change is None else shown(self.change, "increase")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One metric to be compared: figures of a file, and by how much it may be worse."""

    metric: str
    where: str
    measure: Measure
    unit: Unit
    file: str
    field: str
    tolerated: float
    per: str = ""  # field that each figure is divided by
    limit: float = 0.0  # the user's, or the least that counts: a change that is small beside it does not matter
    limit_is: str = "the floor"


@dataclass(frozen=True, slots=True)
class _Compared:
    asked: _Asked
    rule: Rule
    before: Figure | None
    after: Figure | None
    of: tuple[str, ...]
    values: Floats  # contrasts, more is worse
    lack: str


def regressions(run: folder.Folder) -> tuple[Regression, ...]:
    """Every metric that both sides could have figures of."""
    compared = [*(_paired(run, one) for one in _of_runs(run)), *(_blocks(run, one) for one in _of_load(run))]
    confidence = each(sum(len(one.values) > 1 for one in compared))
    return tuple(_finding(one, interval(one.values, confidence), confidence) for one in compared)


def _of_runs(run: folder.Folder) -> Iterator[_Asked]:
    floors, gates = run.scenario.floors, Gates()
    yield _Asked("throughput", "full load", THROUGHPUT, "records/min", folder.THROUGHPUT, "records_per_minute",
                 gates.tolerated_fall_of_throughput)  # fmt: skip
    yield _Asked("store's answers, p95", "same load", QUERY_P95, "s", folder.QUERIES, "p95_seconds",
                 gates.tolerated_rise_of_query_p95, limit=floors.query_p95_seconds)  # fmt: skip
    for whose in ("agent", "source", "store"):
        yield _Asked(f"CPU of the {whose}", "same load", CPU, "cores", folder.RESOURCES, f"{whose}_cpu_seconds",
                     floors.cpu_increase, per="seconds", limit=_LEAST_CPU, limit_is=_LEAST)  # fmt: skip
    yield _Asked("memory of the agent", "same load", MEMORY, "bytes", folder.RESOURCES, "rss_peak_bytes",
                 floors.memory_increase)  # fmt: skip


def _of_load(run: folder.Folder) -> Iterator[_Asked]:
    floors, gates = run.scenario.floors, Gates()
    for which, measure, limit, tolerated in (
        ("p95", P95, floors.p95_seconds, gates.tolerated_rise_of_p95),
        ("p99", P99, floors.p99_seconds, gates.tolerated_rise_of_p99),
    ):
        yield _Asked(f"API's answers, {which}", "steady load", measure, "s", "", which, tolerated, limit=limit)


def _paired(run: folder.Folder, asked: _Asked) -> _Compared:
    """Round by round."""
    figures = Figures(run.raw)
    of: list[str] = []
    told: list[Figure | None] = []
    series: list[Floats] = []
    for side in (run.scenario.before, run.scenario.after):
        fields = [asked.field, asked.per] if asked.per else [asked.field]
        pointers = [pointer(asked.file, "profiles", side, "runs", "*", field) for field in fields]
        of += pointers
        told.append(figures.take("sum by sum" if asked.per else "median", *pointers, unit=asked.unit))
        values = [np.array(figures.values(one)) for one in pointers]
        series.append(values[0] / values[1] if asked.per and len(values[0]) == len(values[1]) else values[0])
    old, new = series
    ratios = np.array([])
    if len(old) == len(new) and len(old) and min(old.min(), new.min()) > 0:
        ratios = asked.measure.worse * np.log(new / old)
    lack = f"There is no {asked.file}." if asked.file not in run.found else f"{asked.file} does not tell it of both."
    if asked.file == folder.RESOURCES and (why := unequal(run)):
        ratios, lack = np.array([]), why
    return _Compared(asked, _rule(asked, told[0]), told[0], told[1], tuple(of), ratios, lack)


def _blocks(run: folder.Folder, asked: _Asked) -> _Compared:
    """Of two loads that followed one another, slot by slot."""
    figures = Figures(run.raw)
    names = [folder.load_name(side, "steady") for side in (run.scenario.before, run.scenario.after)]
    before, after = (
        figures.take("as it is", pointer(name, "latency_seconds", asked.field), unit="s") for name in names
    )
    share = {"p95": 0.95, "p99": 0.99}[asked.field]
    loads = [run.get(name, evidence.Load) for name in names]
    sides = [_slots(one, share) for one in loads]
    phase = np.repeat(np.array([OLD, NEW]), [len(side) for side in sides])
    amount = np.concatenate(sides).reshape(1, -1)
    track = Track(amount, np.ones_like(amount))
    values = np.array([])
    unlike = len({(one.users, one.scale) for one in loads if one}) > 1
    if track.known.any() and not unlike:
        length = DECORRELATIONS * decorrelation(phase, track, None, None)
        values = over_hosts(contrasts(asked.measure, track, before_after(phase, length)))
    missing = [name for name in names if name not in run.found]
    lack = "The load tests have no samples of the agent."
    if missing:
        lack = f"There is no {' and no '.join(missing)}."
    elif unlike:
        lack = "The load tests had different users, or lasted differently long: run both alike."
    of = tuple(pointer(name, "samples", "*", "requests") for name in names if name not in missing)
    return _Compared(asked, _rule(asked, before), before, after, of, values[~np.isnan(values)], lack)


def _slots(load: evidence.Load | None, share: float) -> Floats:
    samples = load.samples if load else ()
    return np.array([quantile(one.requests, share) if one.requests else math.nan for one in samples])


def _rule(asked: _Asked, before: Figure | None) -> Rule:
    """Of its limit as large a share may be lost as of the figure: less is nobody's concern."""
    tolerated = asked.tolerated
    if before is not None and before.value > 0:
        tolerated = max(tolerated, tolerated * asked.limit / before.value)
    return Rule(asked.measure, tolerated)


def _finding(one: _Compared, found: Interval | None, confidence: float) -> Regression:
    asked, rule = one.asked, one.rule
    change = low = high = needed = None
    if found is not None:
        change, *ends = (
            asked.measure.change(asked.measure.worse * end) for end in (found.middle, found.low, found.high)
        )
        low, high = sorted(ends)
        needed = blocks_needed(found.deviation, NARROW * rule.limit, confidence) if found.deviation else found.blocks
    outcome: Outcome = rule.outcome(found) if found is not None else "no data"
    return Regression(
        metric=asked.metric,
        where=asked.where,
        before=one.before,
        after=one.after,
        change=change,
        low=low,
        high=high,
        of=one.of,
        compared=len(one.values),
        needed=needed,
        rule=_words(asked, rule),
        outcome=outcome,
        because=_because(one, outcome, needed),
    )


def _words(asked: _Asked, rule: Rule) -> str:
    verb = "fall" if asked.measure.worse < 0 else "rise"
    if rule.tolerated > asked.tolerated:
        return f"{verb} ≤ {100 * asked.tolerated:g} % of {asked.limit_is} {shown(asked.limit, asked.unit)}"
    return f"{verb} ≤ {100 * asked.tolerated:g} %"


def _because(one: _Compared, outcome: Outcome, needed: int | None) -> str:
    compared = "rounds" if one.asked.file else "blocks"
    if outcome == "no data":
        return (
            one.lack if len(one.values) == 0 else f"One {compared[:-1]} cannot tell how much it varies: measure more."
        )
    if outcome == "unclear":
        return f"It varies too much to tell from {len(one.values)} {compared}; about {needed} would be enough."
    if outcome == "worse":
        return f"{one.asked.metric} is worse than tolerated ({_words(one.asked, one.rule)}), for certain."
    return ""
