"""Every comparison a verdict is made of: canaries with untouched hosts, these and the sources with themselves."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from extraction_agent.judge.blocks import Blocks, before_after, switched
from extraction_agent.judge.evidence import Design, Finding
from extraction_agent.judge.measures import (
    OF_HOSTS,
    OF_NEIGHBOURS,
    OF_THE_API,
    ROUND_TRIP,
    tolerated,
    tolerated_of_neighbours,
)
from extraction_agent.judge.observed import NEW, OLD, Floats, Observed, Track
from extraction_agent.judge.rules import NARROW, Rule
from extraction_agent.judge.statistics import (
    DECORRELATIONS,
    Interval,
    blocks_needed,
    contrasts,
    decorrelation,
    interval,
    merged,
    over_hosts,
    paired,
)
from extraction_agent.profiles import Gates

BLOCKS_AT_LEAST = 6  # with fewer, nobody can say how narrow an interval is
CANARY, NEIGHBOURS, FLEET = "canary", "neighbours", "fleet"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of one party, block by block."""

    about: str
    rule: Rule
    track: Track
    values: Floats  # a contrast a block, more is worse
    lag: int  # slots of decorrelation

    def interval(self, confidence: float) -> Interval | None:
        return interval(self.values, confidence)

    def enough(self, found: Interval | None) -> bool:
        """Whether more samples would not make it clearer."""
        return found is not None and found.blocks >= BLOCKS_AT_LEAST and self.rule.narrow(found)

    def slots_needed(self, found: Interval | None, confidence: float, slots: int) -> int:
        """In all, when `slots` gave what there is, at the noise there is."""
        if found is None:
            return slots + 2 * DECORRELATIONS * self.lag
        needed = blocks_needed(found.deviation, NARROW * self.rule.limit, confidence)
        return math.ceil(max(needed, BLOCKS_AT_LEAST) * slots / found.blocks)

    def finding(self, found: Interval | None, needed: int, observed: Observed) -> Finding:
        """As it is told: changes as they are, a rise is more than 0 whether it is good or not."""
        measure = self.rule.measure
        effect = low = high = None
        if found is not None:
            effect, *ends = (measure.change(measure.worse * one) for one in (found.middle, found.low, found.high))
            low, high = sorted(ends)
        return Finding(
            about=self.about,
            metric=measure.name,
            unit=measure.unit,
            points=not measure.relative,
            old=_median(self.track, observed, OLD),
            new=_median(self.track, observed, NEW),
            effect=effect,
            low=low,
            high=high,
            rule=str(self.rule),
            outcome=self.rule.outcome(found),
            slots_needed=needed,
        )


def _uncompared(about: str, rule: Rule, track: Track, observed: Observed) -> Finding:
    """Of a comparison that cannot be made."""
    return Finding(
        about=about, metric=rule.measure.name, unit=rule.measure.unit, points=not rule.measure.relative,
        old=_median(track, observed, OLD), new=_median(track, observed, NEW), effect=None, low=None, high=None,
        rule=str(rule), outcome="no data", slots_needed=None,
    )  # fmt: skip


def compare(observed: Observed, limits: Gates, design: Design) -> tuple[list[Comparison], list[Finding]]:
    """All that any side has data for, and a finding without data for each comparison that cannot be made."""
    cycles = switched(observed.phase) if design is Design.SWITCHED else None
    made, unmade = [], []
    for about, rule, whole, others in _pairs(observed, limits, design):
        track, partner = whole, others
        if rule.measure in OF_THE_API:
            track, partner = _asked(observed, whole, others, design)
        if track.known.any() or (partner is not None and partner.known.any()):
            made.append(_comparison(about, rule, observed, cycles, track, partner))
        else:
            unmade.append(_uncompared(about, rule, whole, observed))
    return made, unmade


def _asked(observed: Observed, track: Track, partner: Track | None, design: Design) -> tuple[Track, Track | None]:
    """Of those alone whose API is asked: that of the others says nothing, neither good nor bad."""
    track = track.of(observed.asked(track))
    if partner is None or not len(track.known):
        return track, None
    partner = partner.of(observed.asked(partner))
    alone = not len(partner.known) and design is Design.SWITCHED  # before and after, a canary needs somebody beside it
    return track, None if alone else partner


def _pairs(observed: Observed, limits: Gates, design: Design) -> Iterator[tuple[str, Rule, Track, Track | None]]:
    if design is Design.EVERYWHERE:  # nobody has a partner, so as much is tolerated as of neighbours, at least
        for measure in OF_NEIGHBOURS:
            most = max(tolerated(measure, limits), tolerated_of_neighbours(measure, limits))
            yield FLEET, Rule(measure, most), observed.of_canaries[measure], None
        return
    for measure in OF_HOSTS:
        partner = observed.of_untouched[measure] if observed.untouched else None
        yield CANARY, Rule(measure, tolerated(measure, limits)), observed.of_canaries[measure], partner
    for measure in OF_NEIGHBOURS if observed.untouched else ():
        yield NEIGHBOURS, Rule(measure, tolerated_of_neighbours(measure, limits)), observed.of_untouched[measure], None
    for name, track in observed.of_sources.items():
        yield f"source {name}", Rule(ROUND_TRIP, limits.tolerated_harm_to_sources), track, None


def _comparison(
    about: str, rule: Rule, observed: Observed, cycles: Blocks | None, track: Track, partner: Track | None
) -> Comparison:
    """In blocks that are long enough for this very series."""
    lag = decorrelation(observed.phase, track, partner, cycles)
    length = DECORRELATIONS * lag
    blocks = before_after(observed.phase, length) if cycles is None else cycles
    if about == CANARY:
        values = paired(rule.measure, track, partner, blocks)
    else:
        values = over_hosts(contrasts(rule.measure, track, blocks))
    if cycles is not None and len(cycles):
        values = merged(values, math.ceil(length / cycles.slots_each))
    return Comparison(about, rule, track, values, lag)


def _median(track: Track, observed: Observed, side: int) -> float | None:
    known = track.known & (observed.phase == side)
    if not known.any():
        return None
    return float(np.median(track.amount[known] / track.per[known]))
