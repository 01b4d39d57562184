"""Profiles held against the first one, by the statistics that judge a rollout: rounds are its blocks."""

import numpy as np

from extraction_agent.judge.measures import Measure
from extraction_agent.judge.rules import each
from extraction_agent.judge.statistics import Interval, interval


def change(measure: Measure, before: list[float], after: list[float], comparisons: int = 1) -> Interval | None:
    """Of the change for the worse, on the measure's scale; one figure a round on each side.

    comparisons: intervals that are to hold what they should together. None: fewer than two rounds.
    """
    old, new = np.array(before, dtype=float), np.array(after, dtype=float)
    if measure.relative:
        old, new = np.log(old), np.log(new)
    return interval(measure.worse * (new - old), each(comparisons))


def times(measure: Measure, found: Interval | None) -> str:
    """As a person reads a ratio: 66.1 × (63.0 to 69.4)."""
    if found is None:
        return ""
    middle, *ends = (1 + measure.change(measure.worse * one) for one in (found.middle, found.low, found.high))
    low, high = sorted(ends)
    return f"{middle:,.2f} × ({low:,.2f} to {high:,.2f})"


def percent(measure: Measure, found: Interval | None) -> str:
    """The same as a rise or a fall: +6.1 % (-1.0 to +13.4)."""
    if found is None:
        return ""
    middle, *ends = (100 * measure.change(measure.worse * one) for one in (found.middle, found.low, found.high))
    low, high = sorted(ends)
    return f"{middle:+.1f} % ({low:+.1f} to {high:+.1f})"
