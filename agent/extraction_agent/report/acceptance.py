"""The user's acceptance criteria, A1 to A9: each with its floor, what was before, what is now, and whether it holds.

What was not measured holds nothing. docs/explanation/acceptance.md says what is held against each floor, and why.
"""

from collections.abc import Iterator
from typing import Literal, get_args

from extraction_agent.model import Strict
from extraction_agent.report import evidence, folder, k6
from extraction_agent.report.figures import Figure, Figures, How, Unit, pointer, shown
from extraction_agent.report.resources import unequal

MOST_TESTS = 0.9  # of all tests: while more are left out, those that pass do not speak for them

Outcome = Literal["holds", "fails", "not measured"]
Sign = Literal["<", "≤", "≥"]


class Part(Strict):
    """One figure under one floor. `held` is the figure that counts: the one after, or the increase."""

    what: str
    sign: Sign
    limit: float
    limit_of: str  # pointer; empty where the scenario keeps the user's figure
    unit: Unit
    before: Figure | None
    after: Figure | None
    change: Figure | None
    held: Figure | None
    outcome: Outcome
    because: str

    @property
    def floor(self) -> str:
        none = self.sign == "≤" and self.limit == 0
        return "none" if none else f"{self.sign} {shown(self.limit, self.unit)}"


class Line(Strict):
    """One criterion."""

    id: str
    title: str
    parts: tuple[Part, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of its parts."""
        outcomes = [part.outcome for part in self.parts]
        return "fails" if "fails" in outcomes else "not measured" if "not measured" in outcomes else "holds"


def lines(run: folder.Folder) -> tuple[Line, ...]:
    """A1 to A9."""
    to = _Criteria(run)
    return (
        Line(id="A1", title="Throughput", parts=(to.throughput(),)),
        Line(id="A2", title="API latency", parts=(to.latency("p95"), to.latency("p99"))),
        Line(id="A3", title="Database query time", parts=(to.query_time(),)),
        Line(id="A4", title="Connection pool utilization", parts=(to.pool_use(),)),
        Line(id="A5", title="Connection timeouts under load", parts=(to.timeouts(),)),
        Line(id="A6", title="Memory", parts=(to.memory(),)),
        Line(id="A7", title="CPU", parts=(to.cpu(),)),
        Line(id="A8", title="Load test", parts=to.load()),
        Line(id="A9", title="Tests pass, benchmarks documented", parts=(*to.tests(), to.documented())),
    )


class _Criteria:
    def __init__(self, run: folder.Folder) -> None:
        self._run, self._figures = run, Figures(run.raw)
        self._before, self._after = run.scenario.before, run.scenario.after
        self._steady = {side: folder.load_name(side, "steady") for side in (self._before, self._after)}
        asked = {"steady", *run.scenario.load.shapes}
        self._shapes: list[evidence.Shape] = [
            shape for shape in get_args(evidence.Shape) if shape in asked or run.load(self._after, shape)
        ]

    def throughput(self) -> Part:
        before, after = self._both(folder.THROUGHPUT, "records_per_minute", "records/min")
        return self._part("records a minute at full load", "≥", "throughput_records_per_minute", before, after, after,
                          self._lack(folder.THROUGHPUT))  # fmt: skip

    def latency(self, which: Literal["p95", "p99"]) -> Part:
        before, after = (
            self._figures.take("as it is", pointer(name, "latency_seconds", which), unit="s")
            for name in self._steady.values()
        )
        part = self._part(f"{which} under the steady load", "<", f"{which}_seconds", before, after, after,
                          self._lack(self._steady[self._after]))  # fmt: skip
        return self._of_enough("steady", part)

    def query_time(self) -> Part:
        before, after = self._both(folder.QUERIES, "p95_seconds", "s")
        return self._part("p95 of the store's answers at the same load", "<", "query_p95_seconds", before, after, after,
                          self._lack(folder.QUERIES))  # fmt: skip

    def pool_use(self) -> Part:
        before, after = self._fullest(self._before), self._fullest(self._after)
        which = f" ({after.of[0].split('/')[-2]})" if after else ""
        return self._part(f"of the fullest pool{which}, in 95 % of samples", "<", "pool_use", before, after, after,
                          self._lack(self._steady[self._after], "use of pools"))  # fmt: skip

    def timeouts(self) -> Part:
        before, after = self._timeouts(self._before), self._timeouts(self._after)
        names = [folder.load_name(self._after, shape) for shape in self._shapes]
        unknown = [name for name in names if not self._pools(name)]
        if unknown:
            after = None  # the other shapes alone do not answer for it
        lack = self._lack((unknown or names)[0], "use of pools")
        return self._part("callers that got no connection", "≤", "pool_timeouts", before, after, after, lack)

    def memory(self) -> Part:
        before, after = self._both(folder.RESOURCES, "rss_peak_bytes", "bytes")
        held = None
        if before and after:
            held = self._figures.take("medians' increase", *before.of, *after.of, unit="increase")
        return self._increase("peak resident memory of the agent", "memory_increase", before, after, held)

    def cpu(self) -> Part:
        before, after = (
            self._figures.take(
                "sum by sum",
                *(
                    pointer(folder.RESOURCES, "profiles", side, "runs", "*", f)
                    for f in ("agent_cpu_seconds", "seconds")
                ),
                unit="cores",
            )
            for side in (self._before, self._after)
        )
        held = None
        if before and after:
            held = self._figures.take("sums' increase", *before.of, *after.of, unit="increase")
        return self._increase("CPU of the agent", "cpu_increase", before, after, held)

    def load(self) -> tuple[Part, ...]:
        load = self._run.load(self._after, "steady")
        scale = load.scale if load else 1.0
        lasted = self._of_load(
            "steady", _scaled("for how long", scale), "≥", "load_seconds", "as it is", "s", ("seconds",), scale
        )
        if load and load.aborted:
            because = f"The load test was aborted after {shown(load.seconds, 's')}."
            lasted = lasted.model_copy(update={"outcome": "fails", "because": because})
        return (
            self._of_load("steady", "users at once", "≥", "load_users", "as it is", "users", ("users",)),
            lasted,
            *(part for shape in self._shapes for part in self._borne(shape)),
        )

    def _borne(self, shape: evidence.Shape) -> Iterator[Part]:
        """What users were denied. Only the steady load is promised to be carried: beyond, a refusal is an answer."""
        what, fields = ("not served", ("failed", "refused")) if shape == "steady" else ("failed", ("failed",))
        denied = self._of_load(
            shape, f"requests {what}, {shape}", "≤", "error_rate", "sum by sum", "share", (*fields, "requests")
        )
        yield self._of_enough(shape, denied)
        names = [folder.load_name(side, shape) for side in (self._before, self._after)]
        before, after = (
            self._figures.take("as it is", pointer(name, *k6.EXTRACTIONS_FAILED), unit="") for name in names
        )
        lack = self._lack(names[1], "extractions that failed")
        yield _judged(f"extractions of users failed, {shape}", "≤", 0, "", "", before, after, after, lack)

    def _of_load(
        self,
        shape: evidence.Shape,
        what: str,
        sign: Sign,
        floor: str,
        how: How,
        unit: Unit,
        fields: tuple[str, ...],
        scale: float = 1.0,
    ) -> Part:
        names = [folder.load_name(side, shape) for side in (self._before, self._after)]
        before, after = (
            self._figures.take(how, *(pointer(name, field) for field in fields), unit=unit) for name in names
        )
        return self._part(what, sign, floor, before, after, after, self._lack(names[1]), scale)

    def _of_enough(self, shape: evidence.Shape, part: Part) -> Part:
        """A few requests can break a floor, but not hold it."""
        load = self._run.load(self._after, shape)
        if part.outcome != "holds" or load is None or load.requests >= evidence.ENOUGH_REQUESTS:
            return part
        because = f"{load.requests:,} requests are too few to tell it ({evidence.ENOUGH_REQUESTS:,})."
        return part.model_copy(update={"outcome": "not measured", "because": because})

    def tests(self) -> tuple[Part, ...]:
        failed, passed = (
            self._figures.take("as it is", pointer(folder.TESTS, name), unit="") for name in ("failed", "passed")
        )
        counts = (pointer(folder.TESTS, name) for name in ("passed", "failed", "skipped", "deselected"))
        share = self._figures.take("first of all", *counts, unit="share")
        lack = self._lack(folder.TESTS)
        of_all = _judged(
            "tests passed, of all there are", "≥", MOST_TESTS, "", "share", None, share, share,
            self._lack(folder.TESTS, "how many were deselected"),
        )  # fmt: skip
        if share and of_all.outcome == "fails":  # what was left out has not failed
            because = f"{share.shown} of all tests is too small a part to speak for the rest."
            of_all = of_all.model_copy(update={"outcome": "not measured", "because": because})
        return (
            _judged("tests failed", "≤", 0, "", "", None, failed, failed, lack),
            _judged("tests passed", "≥", 1, "", "", None, passed, passed, lack),
            of_all,
        )

    def documented(self) -> Part:
        wanted = (folder.THROUGHPUT, folder.RESOURCES, folder.QUERIES, self._steady[self._after])
        missing = [name for name in wanted if name not in self._run.found]
        lack = f"There is no {' and no '.join(missing)}."
        counted = self._figures.take(
            "count", *(pointer(name, "version") for name in wanted if name not in missing), unit=""
        )
        return _judged(
            "benchmarks in this folder", "≥", len(wanted), "", "", None, counted, None if missing else counted, lack
        )

    # What these have in common

    def _both(self, name: str, field: str, unit: Unit) -> tuple[Figure | None, Figure | None]:
        """The medians of all runs of each side."""
        before, after = (
            self._figures.take("median", pointer(name, "profiles", side, "runs", "*", field), unit=unit)
            for side in (self._before, self._after)
        )
        return before, after

    def _increase(
        self, what: str, floor: str, before: Figure | None, after: Figure | None, held: Figure | None
    ) -> Part:
        lack = unequal(self._run)
        if lack:
            held = None
        lack = lack or self._lack(folder.RESOURCES, both=True)
        part = self._part(f"{what} at the same load", "<", floor, before, after, held, lack, unit="increase")
        return part.model_copy(update={"change": held})

    def _pools(self, name: str) -> dict[str, evidence.PoolUse]:
        load = self._run.get(name, evidence.Load)
        return load.pools if load else {}

    def _fullest(self, side: str) -> Figure | None:
        load = self._run.load(side, "steady")
        if load is None or load.fullest_pool is None:
            return None
        of = pointer(self._steady[side], "pools", load.fullest_pool, "use_p95")
        return self._figures.take("as it is", of, unit="share")

    def _timeouts(self, side: str) -> Figure | None:
        """Of all pools in all shapes of load."""
        names = [
            name for name, one in self._run.found.items() if isinstance(one, evidence.Load) and one.profile == side
        ]
        of = [pointer(name, "pools", "*", "timeouts") for name in sorted(names) if self._pools(name)]
        return self._figures.take("sum", *of, unit="") if of else None

    def _lack(self, name: str, field: str = "", *, both: bool = False) -> str:
        """Why a figure of this file is not known."""
        content = self._run.found.get(name)
        if content is None:
            return f"There is no {name}."
        sides = (self._before, self._after) if both else (self._after,)
        for side in sides:
            if side not in getattr(content, "profiles", {side: None}):
                return f"{name} has no runs of the profile {side}."
        return f"{name} does not tell it{f' ({field})' if field else ''}."

    def _part(
        self,
        what: str,
        sign: Sign,
        floor: str,
        before: Figure | None,
        after: Figure | None,
        held: Figure | None,
        lack: str,
        scale: float = 1.0,
        unit: Unit | None = None,
    ) -> Part:
        limit = getattr(self._run.scenario.floors, floor)
        if scale != 1:
            limit = round(limit * scale, 2)  # k6 says 0.0166667 for a sixtieth: of half an hour, too much
        given = floor in (self._run.raw[folder.SCENARIO].get("floors") or {})
        of = pointer(folder.SCENARIO, "floors", floor) if given else ""
        unit = unit or (after.unit if after else _UNITS.get(floor, ""))
        change = None
        if before and after and floor not in _SET_UP and len(before.of) == len(after.of) == 1:
            change = self._figures.take("medians' increase", *before.of, *after.of, unit="increase")
        return _judged(what, sign, limit, of, unit, before, after, held, lack, change)


_SET_UP = ("load_users", "load_seconds")  # what was done, not what came of it
_UNITS: dict[str, Unit] = {  # where nothing was measured that has one
    "throughput_records_per_minute": "records/min",
    "p95_seconds": "s",
    "p99_seconds": "s",
    "query_p95_seconds": "s",
    "load_seconds": "s",
    "load_users": "users",
    "pool_use": "share",
    "error_rate": "share",
}


def _scaled(what: str, scale: float) -> str:
    return what if scale == 1 else f"{what}, the user's minutes times {scale:.3g}"


def _judged(
    what: str,
    sign: Sign,
    limit: float,
    limit_of: str,
    unit: Unit,
    before: Figure | None,
    after: Figure | None,
    held: Figure | None,
    lack: str,
    change: Figure | None = None,
) -> Part:
    outcome: Outcome
    if held is None:
        outcome, because = "not measured", lack
    elif {"<": held.value < limit, "≤": held.value <= limit, "≥": held.value >= limit}[sign]:
        outcome, because = "holds", ""
    else:
        outcome, because = "fails", f"{held.shown} is not {sign} {shown(limit, unit)}."
    return Part(
        what=what, sign=sign, limit=limit, limit_of=limit_of, unit=unit, before=before, after=after, change=change,
        held=held, outcome=outcome, because=because,
    )  # fmt: skip
