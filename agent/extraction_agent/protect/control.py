"""The control law of the source guard: how many chunks' worth of work a database may be given now. Pure.

It is Gradient2 of Netflix's concurrency-limits (Apache-2.0, github.com/Netflix/concurrency-limits):

    gradient = clamp(tolerance × round trip without us ÷ round trip with us, 1/2, 5/4)
    share    = share + smoothing × (gradient × share + room to grow - share)

with one change, on which all depends. Gradient2 takes the long-term mean of the round trip for the one without load,
and Vegas the least ever seen. A source has load of its own: to Vegas that looks like ours, and it starves us; Gradient2
gets used to what we do to it, and hurts it. We can do what a server that only receives requests cannot: stop for a
moment. So the round trip without us is measured, in short pauses, under the load that the source has at this time, and
the gradient is what we alone add. docs/explanation/source-guard.md has the three beside each other, simulated and real.
"""

from collections import deque
from dataclasses import dataclass

_LEAST_GRADIENT, _MOST_GRADIENT = 0.5, 1.25  # of one step, whatever was measured
_SMOOTHING = 0.5
_GROWTH = 0.08  # a step's growth while the gradient is 1, as a share of what there is
_ALONE = 1.6  # a step's growth while nobody else is at work: from the least to the most in some 4 s
_RELIEF = 0.5  # a step's fall while the database is in distress

FLOOR = 0.05  # of one chunk: never quite nothing, or the end of the distress of a long transaction would not come


@dataclass(frozen=True, slots=True)
class Felt:
    """What a step knows."""

    rise: float | None  # how much longer a round trip takes with us than without, 0.1 for 10 %; None: not measured
    others: bool  # somebody else is at work there
    distress: bool  # it does not answer in time, or a target figure is passed


class Law:
    """`share` is chunks in flight times the share of time each may work: 0.3 is one chunk, at work 30 % of the time."""

    def __init__(self, most: float, tolerated_rise: float, share: float | None = None) -> None:
        """share: to begin with; None: all."""
        self.most, self.tolerated_rise = most, tolerated_rise
        self.share = most if share is None else min(share, most)

    def step(self, felt: Felt) -> float:
        """Once per interval. Returns the share from now on."""
        if felt.distress:
            self.share *= _RELIEF
        elif not felt.others:
            self.share *= _ALONE
        elif felt.rise is not None:
            # The room to grow is taken off again in equilibrium: the rise settles at the one tolerated, not above.
            gradient = (1 + self.tolerated_rise) / (1 + felt.rise) - _GROWTH
            wanted = self.share * (min(max(gradient, _LEAST_GRADIENT), _MOST_GRADIENT) + _GROWTH)
            self.share = (1 - _SMOOTHING) * self.share + _SMOOTHING * wanted
        self.share = min(max(self.share, FLOOR), self.most)
        return self.share


class Rise:
    """Round trips with us and without us, of the last while, and how much the ones are above the others."""

    def __init__(self, window: int = 120, least: int = 8) -> None:
        """window: samples kept of each kind. least: of either, for an answer."""
        self._with, self._without = deque[float](maxlen=window), deque[float](maxlen=window)
        self._least = least

    def add(self, round_trip: float, *, with_us: bool) -> None:
        (self._with if with_us else self._without).append(round_trip)

    def forget(self) -> None:
        """What was measured no longer holds."""
        self._with.clear()
        self._without.clear()

    @property
    def value(self) -> float | None:
        """None: too few samples."""
        if min(len(self._with), len(self._without)) < self._least:
            return None
        return _trimmed(self._with) / _trimmed(self._without) - 1


def _trimmed(samples: deque[float]) -> float:
    """The mean of all but the longest twentieth: a single stutter of the machine is not a rise."""
    kept = sorted(samples)[: max(1, len(samples) * 19 // 20)]
    return sum(kept) / len(kept)
