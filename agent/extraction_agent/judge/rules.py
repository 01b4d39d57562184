"""What an interval, or a figure, says under its rule."""

import math
from dataclasses import dataclass

from extraction_agent.judge.evidence import Finding, Outcome
from extraction_agent.judge.measures import Measure
from extraction_agent.judge.samples import HostSample, quantile
from extraction_agent.judge.statistics import Interval
from extraction_agent.profiles import Gates

FAMILY = 0.95  # that all intervals of a verdict hold what they should, together
NARROW = 0.5  # of what is tolerated: an interval so wide tells no change from twice the tolerated one


def each(comparisons: int) -> float:
    """Confidence of one of so many intervals (Bonferroni).

    Whether *any* metric is worse, Holm's steps answer the same: their first is this one. GO, which needs all of them,
    would need no correction (intersection-union); it has it all the same, so that the table shows one interval each.
    """
    return 1 - (1 - FAMILY) / max(comparisons, 1)


@dataclass(frozen=True, slots=True)
class Rule:
    """Not worse than tolerated: a share of the figure, or points."""

    measure: Measure
    tolerated: float

    @property
    def limit(self) -> float:
        """On the measure's scale."""
        return self.measure.log(self.tolerated)

    def outcome(self, found: Interval | None) -> Outcome:
        """Worse or not is said only when the whole interval says it."""
        if found is None:
            return "unclear"
        if found.low > self.limit:
            return "worse"
        if found.high < self.limit:
            return "better" if found.high < -self.limit else "same"
        return "unclear"

    def narrow(self, found: Interval | None) -> bool:
        """Whether more samples would not make it clearer. It looks at the width alone, never at the effect."""
        return found is not None and found.half_width <= NARROW * self.limit

    def __str__(self) -> str:
        points = "" if self.measure.relative else " points"
        less = "fall" if self.measure.worse < 0 else "rise"
        return f"{less} ≤ {100 * self.tolerated:g}{points or ' %'}"


def gates(samples: list[HostSample], limits: Gates) -> list[Finding]:
    """The user's figures, held against all that the canaries did under the new settings, taken together."""
    busy = sum(one.busy_seconds for one in samples)
    records = sum(one.records for one in samples)
    attempts, failures = sum(one.attempts for one in samples), sum(one.failures for one in samples)
    pool = [one.pool_use for one in samples if one.pool_use is not None]
    requests = _together([one.requests for one in samples])
    queries = _together([one.queries for one in samples])
    return [
        _held(
            "throughput",
            "records/min",
            60 * records / busy if busy else math.nan,
            "≥",
            limits.throughput_records_per_minute,
        ),
        _held("error_rate", "", failures / attempts if attempts else math.nan, "≤", limits.error_rate),
        _held("p95", "s", quantile(requests, 0.95), "<", limits.p95_seconds),
        _held("p99", "s", quantile(requests, 0.99), "<", limits.p99_seconds),
        _held("query_p95", "s", quantile(queries, 0.95), "<", limits.query_p95_seconds),
        _held("pool_use", "", sum(pool) / len(pool) if pool else math.nan, "<", limits.pool_use),
    ]


def _together(several: list[dict[float, int]]) -> dict[float, int]:
    total: dict[float, int] = {}
    for buckets in several:
        for edge, count in buckets.items():
            total[edge] = total.get(edge, 0) + count
    return dict(sorted(total.items()))


def _held(metric: str, unit: str, figure: float, sign: str, limit: float) -> Finding:
    kept = {"≥": figure >= limit, "≤": figure <= limit, "<": figure < limit}[sign]
    outcome: Outcome = "no data" if math.isnan(figure) else "kept" if kept else "broken"
    return Finding(
        about="canary", metric=metric, unit=unit, points=False, old=None, new=None if math.isnan(figure) else figure,
        effect=None, low=None, high=None, rule=f"{sign} {limit:,.10g}", outcome=outcome, slots_needed=None,
    )  # fmt: skip
