"""From slots to an interval: contrasts of blocks, one number each, and Student's t on them.

A contrast is new less old on the same host, so it does not matter that hosts differ; less the same of the untouched
hosts, so it does not matter what befell all of them.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit  # type: ignore[import-untyped] # scipy carries no annotations

from extraction_agent.judge.blocks import Blocks
from extraction_agent.judge.measures import Measure
from extraction_agent.judge.observed import BETWEEN, NEW, OLD, Floats, Ints, Track

DECORRELATIONS = 4  # of a block's length: what is left between two blocks then hardly narrows an interval


@dataclass(frozen=True, slots=True)
class Interval:
    """Of the change for the worse, on the measure's scale."""

    middle: float
    half_width: float
    blocks: int
    deviation: float  # of a single contrast

    @property
    def low(self) -> float:
        return self.middle - self.half_width

    @property
    def high(self) -> float:
        return self.middle + self.half_width


def interval(values: Floats, confidence: float) -> Interval | None:
    """Two-sided, of the mean. None for fewer than two contrasts."""
    known = values[~np.isnan(values)]
    count = len(known)
    if count < 2:
        return None
    deviation = float(known.std(ddof=1))
    half = quantile_of_t(count, confidence) * deviation / math.sqrt(count)
    return Interval(float(known.mean()), half, count, deviation)


def quantile_of_t(count: int, confidence: float) -> float:
    """How many standard errors a two-sided interval of the mean of so many reaches to each side."""
    return float(stdtrit(count - 1, 0.5 + confidence / 2))


def blocks_needed(deviation: float, half_width: float, confidence: float) -> int:
    """How many contrasts make the interval so narrow."""
    normal = float(ndtri(0.5 + confidence / 2))
    count = max(2, math.ceil((normal * deviation / half_width) ** 2))
    while quantile_of_t(count, confidence) * deviation > half_width * math.sqrt(count):
        count += 1  # a few times: t is a little more than normal
    return count


def contrasts(measure: Measure, track: Track, blocks: Blocks) -> Floats:
    """New less old for each host and block, (hosts, blocks), more is worse. NaN where half of the slots are missing."""
    old = [_levels(measure, track, one) for one in blocks.old]
    change: Floats = _levels(measure, track, blocks.new) - np.mean(old, axis=0)
    return measure.worse * change


def paired(measure: Measure, canaries: Track, untouched: Track | None, blocks: Blocks) -> Floats:
    """The canaries' contrasts less those of the untouched hosts, which count in the slots of the canaries alone."""
    found: Floats = contrasts(measure, canaries, blocks).mean(axis=0)
    if untouched is None:
        return found
    absent: NDArray[np.bool_] = np.any(~canaries.known, axis=0)
    return found - over_hosts(contrasts(measure, untouched.without(absent), blocks))


def over_hosts(values: Floats) -> Floats:
    """The mean over those hosts that have a value."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def merged(values: Floats, count: int) -> Floats:
    """Means of so many blocks in a row each, what is over at the end left out."""
    if count <= 1:
        return values
    whole = len(values) // count * count
    mean: Floats = values[:whole].reshape(-1, count).mean(axis=1)
    return mean


def decorrelation(phase: Ints, track: Track, partner: Track | None, blocks: Blocks | None) -> int:
    """Slots after which a series, beside its partner's, knows nothing of itself: the first lag that is noise, from 1.

    With blocks their means are taken out first: what is slower than a block cancels in its contrast.
    """
    series = _share_of_mean(track, phase)
    if partner is not None:
        series = series - _share_of_mean(partner, phase)
    series = _centred(series, phase)
    if blocks is not None:
        inside = np.full(len(series), BETWEEN)
        for number, (new, old) in enumerate(zip(blocks.new, blocks.old.swapaxes(0, 1), strict=True)):
            inside[min(new[0], old[:, 0].min()) : max(new[1], old[:, 1].max())] = number
        series = _centred(series, inside)
    known = ~np.isnan(series) & (phase != BETWEEN)
    count = int(known.sum())
    values = np.where(known, series, 0.0)
    spread = float((values**2).sum())
    if count < 8 or spread == 0:
        return 1
    for lag in range(1, count // 4):
        pairs = int((known[:-lag] & known[lag:]).sum())
        if pairs == 0 or float((values[:-lag] * values[lag:]).sum()) / pairs < 2 / math.sqrt(pairs) * spread / count:
            return lag
    return max(count // 4, 1)


def _share_of_mean(track: Track, phase: Ints) -> Floats:
    """Each host's figure as a share of its mean on that side, so that no effect is in it; the mean of all hosts."""
    figure = np.where(track.known, track.amount, np.nan) / np.where(track.known, track.per, 1)
    for side in (OLD, NEW):
        known = track.known & (phase == side)
        mean = np.where(known, figure, 0).sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
        figure = np.where(known, figure / np.where(mean > 0, mean, 1), figure)
    return over_hosts(figure)


def _centred(series: Floats, groups: Ints) -> Floats:
    """Less the mean of each group of slots; those that are BETWEEN stay as they are."""
    known = (groups != BETWEEN) & ~np.isnan(series)
    if not known.any():
        return series
    count = np.bincount(groups[known])
    means = np.bincount(groups[known], series[known]) / np.maximum(count, 1)
    centred: Floats = np.where(known, series - means[np.where(known, groups, 0)], series)
    return centred


def _levels(measure: Measure, track: Track, ranges: Ints) -> Floats:
    """(hosts, ranges), on the measure's scale."""
    known = track.known if measure.pooled else track.known & (track.amount > 0)
    amount = np.where(known, track.amount, 1.0)
    amount = _summed(np.where(known, amount if measure.pooled else np.log(amount), 0.0), ranges)
    count = _summed(known.astype(float), ranges)
    over = _summed(np.where(known, track.per, 0.0), ranges) if measure.pooled else count
    enough = (2 * count >= ranges[:, 1] - ranges[:, 0]) & (over > 0)
    if not measure.pooled or not measure.relative:
        return np.where(enough, amount / np.where(enough, over, 1), np.nan)
    # Half a count, so that a stretch without any is very low instead of impossible.
    return np.where(enough, np.log((amount + 0.5) / np.where(enough, over, 1)), np.nan)


def _summed(values: Floats, ranges: Ints) -> Floats:
    sums = np.concatenate([np.zeros((len(values), 1)), values.cumsum(axis=1)], axis=1)
    total: Floats = sums[:, ranges[:, 1]] - sums[:, ranges[:, 0]]
    return total
