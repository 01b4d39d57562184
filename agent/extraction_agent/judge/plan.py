"""How many samples a verdict needs, before any is taken.

A contrast's mean over n slots of each side has the variance 2 · cv² / n, times (1 + φ) / (1 - φ) because neighbouring
slots resemble each other (Bayley and Hammersley 1946, for a first-order autoregressive series). So that the interval,
z standard errors to each side, is half of what is tolerated:

    n = 2 · cv² · (1 + φ) / (1 - φ) · (z / (tolerated / 2))²

It is the usual size of two samples for "not worse than": no change is told from the tolerated one, and this from twice
as much, as surely as an interval holds what it should.
"""

import math
from dataclasses import dataclass

from scipy.special import ndtri  # type: ignore[import-untyped] # scipy carries no annotations

from extraction_agent.judge.compare import BLOCKS_AT_LEAST
from extraction_agent.judge.measures import OF_HOSTS, OF_NEIGHBOURS, P95, P99, QUERY_P95, THROUGHPUT, Measure, tolerated
from extraction_agent.judge.observed import SETTLE
from extraction_agent.judge.rules import NARROW, Rule, each
from extraction_agent.judge.statistics import blocks_needed
from extraction_agent.profiles import Gates

COMPARISONS = len(OF_HOSTS) + len(OF_NEIGHBOURS) + 1  # a source
RUN = 6  # slots of each A and B of A-B-B-A

# Measured between two hosts under one load, 1 s slots: deviation of the log-ratio, and of its neighbour's resemblance.
# Of p99 and the store's answers nothing was measured: p99 is taken to vary twice as much as p95, answers as much.
NOISE: dict[Measure, tuple[float, float]] = {
    THROUGHPUT: (0.14, 0.04),
    P95: (0.074, 0.04),
    P99: (0.148, 0.04),
    QUERY_P95: (0.074, 0.04),
}


@dataclass(frozen=True, slots=True)
class Need:
    """Of one metric."""

    metric: str
    rule: str
    variation: float
    correlation: float
    slots: int  # in all, switches included
    each_side: int  # of these under the new settings, and as many under the old


def needs(limits: Gates) -> list[Need]:
    """Of each metric of a canary that is switched A-B-B-A beside other hosts, at the noise that was measured."""
    return [need(Rule(measure, tolerated(measure, limits)), *noise) for measure, noise in NOISE.items()]


def need(rule: Rule, cv: float, phi: float, comparisons: int = COMPARISONS) -> Need:
    """cv: the deviation of the log-ratio of one slot; phi: its correlation with the next slot's."""
    inflation = (1 + phi) / (1 - phi)
    side = 2 * RUN  # slots of a cycle under each of the two
    deviation = cv * math.sqrt(2 / side * inflation)
    cycles = max(blocks_needed(deviation, NARROW * rule.limit, each(comparisons)), BLOCKS_AT_LEAST)
    switched = 2 * SETTLE  # slots of a cycle that count for neither
    return Need(rule.measure.name, str(rule), cv, phi, cycles * (2 * side + switched), cycles * side)


def by_formula(cv: float, phi: float, half_width: float, confidence: float) -> float:
    """The formula above: slots of each side, when the deviation is known and not estimated."""
    z = float(ndtri(0.5 + confidence / 2))
    return 2 * cv**2 * (1 + phi) / (1 - phi) * (z / half_width) ** 2
