"""The control law of the source guard: how many chunks' worth of work a database may be given now. Pure.

The laws to begin from were Vegas and Gradient2 of Netflix's concurrency-limits (github.com/Netflix/concurrency-limits):
both compare round trips now with round trips without load, and make the limit follow. Vegas takes the least ever seen
for the one without load, Gradient2 a mean of minutes. But a source has load of its own, which comes and goes: to Vegas
it looks like ours, and starves us; Gradient2 gets used to what we do, and hurts the source. We can do what a server
that only receives requests cannot: stop for a moment. So the round trip without us is measured, in short pauses, under
the load that the source has at this time, and the difference is what we alone cost.

What a share of work costs is then learned, as a regression through the origin over the last seconds, rather than felt
for by steps: a step that follows a measurement of some seconds overshoots, and swings. docs/explanation/source-guard.md
has the laws beside each other.
"""

import math
import statistics
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

_KEPT = 0.94  # of what was learned, from one step to the next: half of it is some 11 steps old
_GROWTH, _FALL = 1.06, 0.5  # of one step at most, while others are at work: slow up, for errors that hurt are worse
_ALONE = 1.6  # a step's growth while nobody else is at work: from the least to the most in some 4 s
_RELIEF = 0.5  # a step's fall while the database is in distress
_DOUBT = 0.9  # standard errors of what a share costs that are added to it: noise must not be taken for room
_LATELY = 3  # steps whose median counts: a checkpoint of the source, or a stutter of ours, ends with its step
_OUTLIER = 4  # times the median without us: what is longer counts as this long

FLOOR = 0.05  # of one chunk: never quite nothing, or a chunk in flight would hold its snapshot for ever
BEGIN = 0.1  # while others are at work and nothing is known
FOUND_FOR = 0.15  # the tolerated rise that BEGIN and _GROWTH suit; where more is borne, an error hurts less


@dataclass(frozen=True, slots=True)
class Felt:
    """What a step knows."""

    rise: float | None  # how much longer a round trip takes with us than without, 0.1 for 10 %; None: not measured
    others: bool  # somebody else is at work there
    distress: bool = False  # it does not answer in time, or a target figure is passed


class Law:
    """`share` is chunks in flight times the share of time each may work: 0.3 is one chunk, at work 30 % of the time."""

    def __init__(self, most: float, tolerated_rise: float) -> None:
        self.most, self.tolerated_rise = most, tolerated_rise
        self.share = min(self._begin, most)
        self._known = self._alone = False
        self._lately = deque[float](maxlen=_LATELY)  # rises by share
        # Sums over the steps, forgotten little by little: of share², share × rise, rise², and of the steps themselves.
        self._shares = self._products = self._rises = self._steps = 0.0

    def step(self, felt: Felt) -> float:
        """Once per interval. Returns the share from now on."""
        if felt.distress:
            self.share *= _RELIEF
        elif not felt.others:
            self.share = self.share * _ALONE if self._known else self.most
        elif self._alone:  # somebody has come
            self.share = min(self.share, self._affordable() or self._begin)
        elif felt.rise is not None:
            self._learn(felt.rise)
            affordable = self._affordable()
            most = self.share * min(_GROWTH**self._bold, _ALONE)
            self.share = most if affordable is None else min(max(affordable, self.share * _FALL), most)
        self._known, self._alone = True, not felt.others
        self.share = min(max(self.share, FLOOR), self.most)
        return self.share

    @property
    def _bold(self) -> float:
        return max(self.tolerated_rise / FOUND_FOR, 1.0)

    @property
    def _begin(self) -> float:
        return BEGIN * self._bold

    def _learn(self, rise: float) -> None:
        self._lately.append(rise / self.share)
        rise = statistics.median(self._lately) * self.share
        self._shares = _KEPT * self._shares + self.share**2
        self._products = _KEPT * self._products + self.share * rise
        self._rises = _KEPT * self._rises + rise**2
        self._steps = _KEPT * self._steps + 1

    def _affordable(self) -> float | None:
        """The share whose rise is the one tolerated. None: nothing is known, or it has cost nothing so far."""
        if not self._steps:
            return None
        cost = self._products / self._shares
        spread = max(self._rises - cost * self._products, 0.0) / self._steps
        cost += _DOUBT * math.sqrt(spread / self._shares)
        return self.tolerated_rise / cost if cost > 0 else None


class Rise:
    """How much longer round trips are with us than without, of one step after the other."""

    def __init__(self, steps: int = 8) -> None:
        """steps: whose round trips without us are kept; a pause is too short for many."""
        self._without = deque[list[float]](maxlen=steps)

    def of(self, without: Iterable[float], beside: Iterable[float]) -> float | None:
        """Of one step. None: too few round trips."""
        self._without.append(list(without))
        base = [seconds for step in self._without for seconds in step]
        now = list(beside)
        if len(base) < 5 or len(now) < 5:
            return None
        longest = _OUTLIER * statistics.median(base)
        return _mean(now, longest) / _mean(base, longest) - 1

    def forget(self) -> None:
        """What was measured no longer holds."""
        self._without.clear()


def _mean(samples: list[float], longest: float) -> float:
    return statistics.fmean(min(seconds, longest) for seconds in samples)
