"""The lines that panels draw: the user's figures, from where the code has them, and the colours on either side."""

from dataclasses import dataclass

from extraction_agent import profiles

GREEN, YELLOW, ORANGE, RED = "green", "yellow", "orange", "red"

_GATES, _GUARDS = profiles.Gates(), profiles.Guards()

FLOOR = _GATES.throughput_records_per_minute
ALERT = 15_000.0  # of ExtractionPerformanceDegraded, in prometheus/extraction.rules.yml
BACK = _GUARDS.throughput_records_per_minute


@dataclass(frozen=True, slots=True)
class Limits:
    """Colours from a value on; the first holds from minus infinity."""

    first: str
    steps: tuple[tuple[float, str], ...] = ()


NONE = Limits(GREEN)
THROUGHPUT = Limits(RED, ((BACK, ORANGE), (ALERT, YELLOW), (FLOOR, GREEN)))
API_P95 = Limits(GREEN, ((_GATES.p95_seconds, RED),))
API = Limits(GREEN, ((_GATES.p95_seconds, ORANGE), (_GATES.p99_seconds, RED)))
QUERY_P95 = Limits(GREEN, ((_GATES.query_p95_seconds, RED),))
POOL_PERCENT = Limits(GREEN, ((_GATES.pool_use * 100, RED),))
ERROR_SHARE = Limits(GREEN, ((_GATES.error_rate, RED),))
ANY = Limits(GREEN, ((1, RED),))  # of what should not be there at all, counted
SOME = Limits(GREEN, ((0.001, RED),))  # the same, as a rate
EVEN = Limits(ORANGE, ((0.8, GREEN), (1.25, ORANGE)))  # times what the others do
SPREAD = Limits(GREEN, ((1.5, ORANGE), (3, RED)))
