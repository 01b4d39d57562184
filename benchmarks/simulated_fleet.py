"""A fleet of hosts as the judge sees it: they differ, drift, and remember the slot before."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter  # type: ignore[import-untyped] # scipy carries no annotations

from extraction_agent.judge.evidence import Design
from extraction_agent.judge.measures import ERROR_RATE, OF_HOSTS, P95, P99, QUERY_P95, THROUGHPUT, Measure
from extraction_agent.judge.observed import BETWEEN, NEW, OLD, Floats, Ints, Observed, Track, settled
from extraction_agent.judge.plan import NOISE, RUN
from extraction_agent.judge.samples import HostSample

LEVEL = {THROUGHPUT: 30_000.0, P95: 0.120, P99: 0.280, QUERY_P95: 0.020}
ATTEMPTS, FAILING = 20, 0.002  # at chunks in a slot, and the share that fails
_COUNTS = {0.01: 90, 0.05: 97, 0.2: 98, 0.5: 100, math.inf: 100}
KEPT = HostSample(  # by which every figure of the gates is kept: what is simulated here is the comparison
    rollout=1, slot=0, started_at=datetime(2026, 1, 1, tzinfo=UTC), seconds=1, host="h0", generation=1, trial=True,
    busy_seconds=60, records=30_000, attempts=100, failures=0, requests=_COUNTS, queries=_COUNTS, pool_use=0.5,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fleet:
    """Deviations are of logarithms, of one slot."""

    hosts: int = 5
    apart: float = 0.05  # of the hosts' levels
    common: float = 0.15  # what befalls all of them alike
    common_phi: float = 0.46
    own_phi: float = 0.04  # of what befalls one alone; how much, is what plan.NOISE measured
    drift: float = 0.2  # of all, from first slot to last, at most
    own_drift: float = 0.02  # of one alone
    spikes: float = 0.0  # share of a host's slots that are three times as bad
    changes: dict[Measure, float] = field(default_factory=dict)  # of the canary by the new settings: 0.1 for 10 % more
    to_neighbours: dict[Measure, float] = field(default_factory=dict)  # of the others meanwhile
    to_source: float = 0.0


def phases(slots: int, design: Design) -> Ints:
    """As a rollout switches: A-B-B-A of RUN slots each, or half and half."""
    at = np.arange(slots)
    side = np.isin(at // RUN % 4, (1, 2)) if design is Design.SWITCHED else at >= slots // 2
    return settled(np.where(side, NEW, OLD))


def observed(fleet: Fleet, slots: int, design: Design, rng: np.random.Generator) -> Observed:
    """One rollout; host 0 is the canary."""
    phase = phases(slots, design)
    new = np.where(phase == BETWEEN, np.roll(phase, -1), phase) == NEW  # the new settings hold while they settle
    tracks: dict[Measure, Track] = {}
    for measure in LEVEL:
        changes = np.full(fleet.hosts, fleet.to_neighbours.get(measure, 0.0))
        changes[0] = fleet.changes.get(measure, 0.0)
        per = np.full((fleet.hosts, slots), 1 / 60 if measure is THROUGHPUT else 1.0)
        tracks[measure] = Track(_levels(fleet, measure, np.log1p(changes), new, rng) * per, per)
    attempts = rng.poisson(ATTEMPTS, (fleet.hosts, slots)).astype(float)
    failing = np.full((fleet.hosts, slots), FAILING)
    failing[0, new] += fleet.changes.get(ERROR_RATE, 0.0)
    tracks[ERROR_RATE] = Track(rng.binomial(attempts.astype(int), failing).astype(float), attempts)
    trip = 0.001 * np.exp(_common(fleet, slots, rng) + np.log1p(fleet.to_source) * new)[None, :]
    out = phase == BETWEEN
    names = tuple(f"h{number}" for number in range(fleet.hosts))
    return Observed(
        phase,
        names[:1],
        names[1:],
        {one: _rows(tracks[one], slice(0, 1)).without(out) for one in OF_HOSTS},
        {one: _rows(tracks[one], slice(1, None)).without(out) for one in OF_HOSTS},
        {"db1": Track(trip, np.ones_like(trip)).without(out)},
        [KEPT],
    )


def until(whole: Observed, slots: int) -> Observed:
    """What had been seen by then."""

    def cut(track: Track) -> Track:
        return Track(track.amount[:, :slots], track.per[:, :slots])

    return Observed(
        whole.phase[:slots],
        whole.canaries,
        whole.untouched,
        {measure: cut(track) for measure, track in whole.of_canaries.items()},
        {measure: cut(track) for measure, track in whole.of_untouched.items()},
        {name: cut(track) for name, track in whole.of_sources.items()},
        whole.trials,
    )


def _rows(track: Track, rows: slice) -> Track:
    return Track(track.amount[rows], track.per[rows])


def _levels(
    fleet: Fleet, measure: Measure, changes: Floats, new: NDArray[np.bool_], rng: np.random.Generator
) -> Floats:
    slots = len(new)
    variation, _ = NOISE[measure]
    # What was measured is of a canary against the others, whose own noise is in it too.
    own = variation / np.sqrt(1 + 1 / max(fleet.hosts - 1, 1))
    level = np.log(LEVEL[measure]) + rng.normal(0, fleet.apart, (fleet.hosts, 1))
    drift = rng.uniform(-fleet.own_drift, fleet.own_drift, (fleet.hosts, 1)) * np.linspace(-0.5, 0.5, slots)
    noise = np.stack([_remembering(slots, own, fleet.own_phi, rng) for _ in range(fleet.hosts)])
    noise += measure.worse * np.log(3) * (rng.random((fleet.hosts, slots)) < fleet.spikes)
    made: Floats = np.exp(level + drift + noise + _common(fleet, slots, rng) + changes[:, None] * new)
    return made


def _common(fleet: Fleet, slots: int, rng: np.random.Generator) -> Floats:
    """What befalls all: a drift, a slow wave, and noise."""
    at = np.linspace(-0.5, 0.5, slots)
    wave = 0.25 * fleet.drift * np.sin(2 * np.pi * (at * rng.uniform(0.5, 3) + rng.uniform()))
    made: Floats = rng.uniform(-fleet.drift, fleet.drift) * at + wave
    return made + _remembering(slots, fleet.common, fleet.common_phi, rng)


def _remembering(slots: int, deviation: float, phi: float, rng: np.random.Generator) -> Floats:
    """An autoregressive series of first order."""
    shocks = rng.normal(0, deviation * np.sqrt(1 - phi**2), slots)
    shocks[0] = rng.normal(0, deviation)
    made: Floats = lfilter([1.0], [1.0, -phi], shocks)
    return made
