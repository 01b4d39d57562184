"""The source guard's control law against a simulated source: it converges, recovers, does not swing, bears noise."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import pytest

from extraction_agent.protect.control import BEGIN, FLOOR, Felt, Law, Rise

TOLERATED = 0.1
MOST = 4.0


@dataclass
class Source:
    """Answers take longer the busier it is, as in a queue: 1 / (1 - utilisation)."""

    others: float = 0.5  # utilisation by others
    per_share: float = 0.2  # utilisation by a share of 1
    noise: float = 0.0  # of each round trip: the sigma of a lognormal factor
    rng: random.Random = field(default_factory=lambda: random.Random(7))

    def round_trip(self, share: float) -> float:
        busy = min(self.others + self.per_share * share, 0.98)
        return 0.001 / (1 - busy) * self.rng.lognormvariate(0, self.noise)

    def rise(self, share: float) -> float:
        """The true one."""
        quiet = Source(self.others, self.per_share)
        return quiet.round_trip(share) / quiet.round_trip(0) - 1


def steps(law: Law, source: Source) -> Iterator[float]:
    """Shares, one step after the other, as the guard would measure."""
    rise = Rise()
    while True:
        if source.others == 0:
            rise.forget()
            yield law.step(Felt(None, others=False))
            continue
        without = [source.round_trip(0) for _ in range(15)]
        beside = [source.round_trip(law.share) for _ in range(55)]
        yield law.step(Felt(rise.of(without, beside), others=True))


def run(law: Law, source: Source, count: int) -> list[float]:
    return list(islice(steps(law, source), count))


@pytest.mark.parametrize("others", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("per_share", [0.05, 0.2, 0.8])
def test_settles_where_the_rise_is_the_one_tolerated(others: float, per_share: float) -> None:
    source, law = Source(others, per_share), Law(MOST, TOLERATED)
    shares = run(law, source, 120)
    wanted = min(max((1 - others) * (1 - 1 / (1 + TOLERATED)) / per_share, FLOOR), MOST)
    assert shares[-1] == pytest.approx(wanted, rel=0.05)


def test_does_not_swing() -> None:
    shares = run(Law(MOST, TOLERATED), Source(), 120)[60:]
    assert max(shares) / min(shares) < 1.02


@pytest.mark.parametrize("seed", range(8))
def test_bears_round_trips_that_vary_threefold(seed: int) -> None:
    source = Source(noise=1.0, rng=random.Random(seed))
    law = Law(MOST, TOLERATED)
    shares = run(law, source, 400)[60:]
    rises = sorted(map(source.rise, shares))
    assert sum(rises) / len(rises) < 1.5 * TOLERATED
    assert rises[len(rises) * 95 // 100] < 0.25  # what the others may feel at most
    assert sum(shares) / len(shares) > 0.3 * 0.227  # of the share that costs exactly what is tolerated


def test_others_that_come_are_met_with_little_and_others_that_leave_with_all() -> None:
    source, law = Source(others=0.0), Law(MOST, TOLERATED)
    assert run(law, source, 1) == [MOST]
    source.others = 0.5
    assert run(law, source, 1)[0] <= BEGIN
    run(law, source, 60)
    assert law.share < 0.5
    source.others = 0.0
    back = run(law, source, 20)  # steps of half a second: 10 s
    assert back[-1] == MOST
    source.others = 0.5
    assert run(law, source, 1)[0] < 0.5  # what it has learned of them still stands


def test_where_more_is_borne_it_begins_with_more_and_is_sooner_at_all() -> None:
    """A store that people ask now and then: an extraction of seconds must not spend them on feeling its way."""
    careful, bold = Law(MOST, TOLERATED), Law(MOST, 1.0)
    source = Source(others=0.05, per_share=0.1)
    assert run(careful, source, 6)[-1] < 2 * BEGIN
    assert run(bold, source, 6)[-1] == MOST  # 3 s; a rise of 70 %
    source.others = 0.6
    assert 0.5 < source.rise(run(bold, source, 20)[-1]) < 1.1  # what it may cost still binds


def test_more_load_of_others_lowers_the_share_within_seconds() -> None:
    source, law = Source(others=0.3), Law(MOST, TOLERATED)
    before = run(law, source, 80)[-1]
    source.others = 0.8
    after = run(law, source, 20)
    assert after[-1] < before / 2
    assert source.rise(after[-1]) < 0.25


def test_distress_halves_at_every_step_and_leaves_a_floor() -> None:
    law = Law(MOST, TOLERATED)
    run(law, Source(others=0.0), 1)
    shares = [law.step(Felt(None, others=False, distress=True)) for _ in range(10)]
    assert shares[:3] == [2.0, 1.0, 0.5]
    assert shares[-1] == FLOOR


def test_without_a_measurement_nothing_changes() -> None:
    law = Law(MOST, TOLERATED)
    law.step(Felt(None, others=True))
    assert law.share == BEGIN
    assert Rise().of([0.001] * 4, [0.001] * 50) is None


def test_a_single_stutter_is_not_a_rise() -> None:
    measured = Rise().of([0.001] * 20, [0.001] * 54 + [5.0])
    assert measured is not None
    assert measured < TOLERATED


# The laws it was chosen over, as Netflix's concurrency-limits has them; they see no pauses.


def vegas(source: Source, changes: Callable[[int], float], count: int) -> list[float]:
    share, least = BEGIN, float("inf")
    shares = []
    for step in range(count):
        source.others = changes(step)
        felt = source.round_trip(share)
        least = min(least, felt)
        queue = share * (1 - least / felt)
        share += 0.1 if queue < TOLERATED * share else -0.1
        share = min(max(share, FLOOR), MOST)
        shares.append(share)
    return shares


def gradient2(source: Source, changes: Callable[[int], float], count: int) -> list[float]:
    share = BEGIN
    shares: list[float] = []
    long: float | None = None
    for step in range(count):
        source.others = changes(step)
        felt = source.round_trip(share)
        long = felt if long is None else long + (felt - long) * 2 / 601
        if long / felt > 2:
            long *= 0.9
        gradient = max(0.5, min(1.0, (1 + TOLERATED) * long / felt))
        share = min(max(0.8 * share + 0.2 * (share * gradient + 0.1), FLOOR), MOST)
        shares.append(share)
    return shares


def test_the_laws_it_was_chosen_over_starve_us_or_hurt_the_source() -> None:
    def changes(step: int) -> float:
        return 0.2 if step < 200 else 0.6

    fair = (1 - 0.6) * (1 - 1 / (1 + TOLERATED)) / 0.2
    assert vegas(Source(), changes, 600)[-1] <= FLOOR + 0.1 < fair  # the others' load is taken for ours
    hurt = gradient2(Source(), changes, 1800)[-1]
    assert Source(others=0.6).rise(hurt) > 0.25  # what we do has become the norm
    source, law = Source(others=0.2), Law(MOST, TOLERATED)
    run(law, source, 200)
    source.others = 0.6
    assert run(law, source, 200)[-1] == pytest.approx(fair, rel=0.05)
