"""What is measured of a host and of a source, and when it has become worse."""

import math
from dataclasses import dataclass

from extraction_agent.profiles import Gates


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric. `pooled`: over a stretch of slots it is the sum of amounts by the sum of what they are per."""

    name: str
    unit: str
    worse: int  # 1: more of it is worse, -1: less
    relative: bool  # compared as a ratio (logarithms), or in points
    pooled: bool

    def log(self, change: float) -> float:
        """A tolerated change for the worse, 0.05: by 5 %, on the scale it is judged on."""
        if not self.relative:
            return change
        return math.log1p(change) if self.worse > 0 else -math.log1p(-change)

    def change(self, value: float) -> float:
        """From that scale: 0.05 for 5 % or 5 points more."""
        return math.expm1(value) if self.relative else value


THROUGHPUT = Measure("throughput", "records/min", -1, relative=True, pooled=True)
P95 = Measure("p95", "s", 1, relative=True, pooled=False)
P99 = Measure("p99", "s", 1, relative=True, pooled=False)
QUERY_P95 = Measure("query_p95", "s", 1, relative=True, pooled=False)
ERROR_RATE = Measure("error_rate", "", 1, relative=False, pooled=True)
ROUND_TRIP = Measure("round_trip", "s", 1, relative=True, pooled=False)

OF_HOSTS = (THROUGHPUT, P95, P99, QUERY_P95, ERROR_RATE)
OF_THE_API = (P95, P99)  # which a host has only while somebody asks it
OF_NEIGHBOURS = (THROUGHPUT, P95, QUERY_P95, ERROR_RATE)  # p99 without a partner to divide by is mostly noise


def tolerated(measure: Measure, gates: Gates) -> float:
    """By how much a canary may be worse than other hosts: a share, or points."""
    return {
        THROUGHPUT: gates.tolerated_fall_of_throughput,
        P95: gates.tolerated_rise_of_p95,
        P99: gates.tolerated_rise_of_p99,
        QUERY_P95: gates.tolerated_rise_of_query_p95,
        ERROR_RATE: gates.tolerated_rise_of_error_rate,
    }[measure]


def tolerated_of_neighbours(measure: Measure, gates: Gates) -> float:
    """By how much a host that was not changed may become worse while the canary is."""
    return gates.tolerated_harm_to_neighbours if measure.relative else gates.tolerated_rise_of_error_rate
