"""Samples laid out as arrays: who is canary, who is untouched, what each did slot by slot."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from extraction_agent import errors
from extraction_agent.judge.measures import ERROR_RATE, OF_HOSTS, P95, P99, QUERY_P95, THROUGHPUT, Measure
from extraction_agent.judge.samples import HostSample, Sample, SourceSample, quantile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

OLD, NEW, BETWEEN = 0, 1, -1
ASKED = 0.5  # share of slots: a block with fewer has no value, so who is asked less often could never be judged
SETTLE = 1  # slots after each switch that count for neither side


@dataclass(frozen=True)
class Track:
    """One measure of some hosts: amounts and what they are per, each of shape (hosts, slots). NaN: nothing known."""

    amount: Floats
    per: Floats

    def without(self, slots: NDArray[np.bool_]) -> "Track":
        """Nothing known of these slots."""
        return Track(np.where(slots, np.nan, self.amount), self.per)

    def of(self, hosts: NDArray[np.bool_]) -> "Track":
        """Of these hosts alone."""
        return Track(self.amount[hosts], self.per[hosts])

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        known: NDArray[np.bool_] = ~np.isnan(self.amount) & (self.per > 0)
        return known


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a verdict is made from. Hosts that ran the trial at any time are canaries."""

    phase: Ints  # per slot: OLD, NEW or BETWEEN
    canaries: tuple[str, ...]
    untouched: tuple[str, ...]
    of_canaries: dict[Measure, Track]
    of_untouched: dict[Measure, Track]
    of_sources: dict[str, Track]
    trials: list[HostSample] = field(default_factory=list)  # of canaries in slots that are NEW, for the gates
    missing: dict[str, int] = field(default_factory=dict)  # slots without a sample, of hosts that lack any

    @property
    def slots(self) -> int:
        return len(self.phase)

    def asked(self, track: Track) -> NDArray[np.bool_]:
        """Which of a track's hosts answered in ASKED of the slots under the old settings, (hosts,)."""
        old = self.phase == OLD
        asked: NDArray[np.bool_] = (track.known & old).sum(axis=1) >= max(ASKED * int(old.sum()), 1)
        return asked


def observe(samples: list[Sample]) -> Observed:
    """Raises UsageError if no host ran a trial, or one that did not changed its generation."""
    of_hosts = [one for one in samples if isinstance(one, HostSample)]
    of_sources = [one for one in samples if isinstance(one, SourceSample)]
    canaries = tuple(sorted({one.host for one in of_hosts if one.trial}))
    untouched = tuple(sorted({one.host for one in of_hosts} - set(canaries)))
    if not canaries:
        raise errors.UsageError("No sample is of a trial: there is no canary to judge.")
    _unchanged(of_hosts, untouched)
    first = min(one.slot for one in samples)
    slots = max(one.slot for one in samples) - first + 1
    phase = _phase(of_hosts, canaries, first, slots)
    there = {(one.host, one.slot - first): one for one in of_hosts}
    sources: dict[str, Floats] = {}
    for one in of_sources:
        sources.setdefault(one.source, np.full((1, slots), np.nan))[0, one.slot - first] = one.round_trip_seconds
    out = phase == BETWEEN
    return Observed(
        phase,
        canaries,
        untouched,
        {measure: track.without(out) for measure, track in _tracks(there, canaries, slots).items()},
        {measure: track.without(out) for measure, track in _tracks(there, untouched, slots).items()},
        {name: Track(values, np.ones_like(values)).without(out) for name, values in sorted(sources.items())},
        [one for one in of_hosts if one.trial and phase[one.slot - first] == NEW],
        {host: slots - count for host, count in _counted(of_hosts).items() if count < slots},
    )


def _unchanged(samples: list[HostSample], untouched: tuple[str, ...]) -> None:
    ran: dict[str, int] = {}
    for one in samples:
        if one.host in untouched and ran.setdefault(one.host, one.generation) != one.generation:
            raise errors.UsageError(
                f"Host {one.host} is no canary, yet ran generation {ran[one.host]} and, in slot {one.slot}, "
                f"{one.generation}: somebody else changes the fleet, so nothing can be compared. Judge again when it "
                "is left alone."
            )


def _counted(samples: list[HostSample]) -> dict[str, int]:
    return dict(sorted(Counter(one.host for one in samples).items()))


def _phase(samples: list[HostSample], canaries: tuple[str, ...], first: int, slots: int) -> Ints:
    """A slot counts when every canary was there and ran the same side."""
    told = np.full((len(canaries), slots), BETWEEN)
    for one in samples:
        if one.host in canaries:
            told[canaries.index(one.host), one.slot - first] = NEW if one.trial else OLD
    agreed = np.where((told == told[0]).all(axis=0), told[0], BETWEEN)
    return settled(agreed)


def settled(phase: Ints, slots: int = SETTLE) -> Ints:
    """Without the first slots after each switch."""
    kept = phase.copy()
    last, since = BETWEEN, slots
    for at, side in enumerate(phase):
        if side == BETWEEN:
            continue
        since = 0 if last not in (BETWEEN, side) else since + 1
        if since < slots:
            kept[at] = BETWEEN
        last = side
    return kept


def _tracks(there: dict[tuple[str, int], HostSample], hosts: tuple[str, ...], slots: int) -> dict[Measure, Track]:
    made = {measure: Track(np.full((len(hosts), slots), np.nan), np.ones((len(hosts), slots))) for measure in OF_HOSTS}
    for row, host in enumerate(hosts):
        for slot in range(slots):
            if one := there.get((host, slot)):
                made[THROUGHPUT].amount[row, slot] = one.records
                made[THROUGHPUT].per[row, slot] = one.busy_seconds / 60
                made[ERROR_RATE].amount[row, slot] = one.failures
                made[ERROR_RATE].per[row, slot] = one.attempts
                made[P95].amount[row, slot] = quantile(one.requests, 0.95)
                made[P99].amount[row, slot] = quantile(one.requests, 0.99)
                made[QUERY_P95].amount[row, slot] = quantile(one.queries, 0.95)
    return made
