"""From slots to an interval: what must hold for any data."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from extraction_agent.judge.blocks import before_after, switched
from extraction_agent.judge.measures import ERROR_RATE, P95, THROUGHPUT
from extraction_agent.judge.observed import Floats, Track
from extraction_agent.judge.statistics import (
    blocks_needed,
    contrasts,
    decorrelation,
    interval,
    merged,
    over_hosts,
    paired,
    quantile_of_t,
)

SIDES = np.array(([0] * 3 + [1] * 6 + [0] * 3) * 4)
FIGURES = arrays.arrays(float, (1, len(SIDES)), elements=st.floats(0.001, 1000))
CONTRASTS = arrays.arrays(float, st.integers(2, 30), elements=st.floats(-2, 2).map(lambda one: round(one, 6)))
BLOCKS = switched(SIDES)


def track(figures: Floats) -> Track:
    return Track(figures, np.ones_like(figures))


@given(FIGURES, FIGURES)
def test_swapping_canary_and_others_negates_the_effect(one: Floats, other: Floats) -> None:
    found = paired(P95, track(one), track(other), BLOCKS)
    assert paired(P95, track(other), track(one), BLOCKS) == pytest.approx(-found)


@given(FIGURES, FIGURES, st.floats(0.1, 10))
def test_how_much_hosts_differ_does_not_matter(one: Floats, other: Floats, factor: float) -> None:
    found = paired(P95, track(one), track(other), BLOCKS)
    assert paired(P95, track(one * factor), track(other), BLOCKS) == pytest.approx(found, abs=1e-9)


@given(FIGURES, FIGURES, FIGURES)
def test_what_befalls_all_does_not_matter(one: Floats, other: Floats, weather: Floats) -> None:
    found = paired(P95, track(one), track(other), BLOCKS)
    assert paired(P95, track(one * weather), track(other * weather), BLOCKS) == pytest.approx(found, abs=1e-9)


@given(st.floats(100, 10_000))
def test_more_is_worse_of_a_latency_and_better_of_throughput(figure: float) -> None:
    doubled = track(np.where(SIDES == 1, 2 * figure, figure)[None, :])
    expected = np.full((1, len(BLOCKS)), math.log(2))
    assert contrasts(P95, doubled, BLOCKS) == pytest.approx(expected)
    assert contrasts(THROUGHPUT, doubled, BLOCKS) == pytest.approx(-expected, abs=0.01)


@given(CONTRASTS, st.integers(2, 4), st.floats(0.5, 0.999))
def test_more_of_the_same_never_widens(values: Floats, times: int, confidence: float) -> None:
    once, again = interval(values, confidence), interval(np.tile(values, times), confidence)
    assert once is not None
    assert again is not None
    assert again.middle == pytest.approx(once.middle)
    assert again.half_width <= once.half_width + 1e-12


@given(CONTRASTS, st.floats(0.5, 0.99), st.floats(0.0001, 0.009))
def test_more_confidence_never_narrows(values: Floats, confidence: float, more: float) -> None:
    one, surer = interval(values, confidence), interval(values, confidence + more)
    assert one is not None
    assert surer is not None
    assert surer.half_width >= one.half_width


@given(st.floats(0.001, 1), st.floats(0.01, 1), st.floats(0.8, 0.999))
def test_no_block_more_is_asked_for_than_needed(deviation: float, half_width: float, confidence: float) -> None:
    needed = blocks_needed(deviation, half_width, confidence)

    def width(count: int) -> float:
        return quantile_of_t(count, confidence) * deviation / math.sqrt(count)

    assert width(needed) <= half_width
    assert needed == 2 or width(needed - 1) > half_width


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(2000):
        found = interval(rng.normal(0.3, 1, 8), 0.9)
        assert found is not None
        held += found.low <= 0.3 <= found.high
    assert 1760 <= held <= 1840  # three standard deviations around 90 %


def test_too_few_contrasts_give_none() -> None:
    assert interval(np.array([0.1]), 0.95) is None
    assert interval(np.array([0.1, np.nan]), 0.95) is None
    assert interval(np.array([]), 0.95) is None


def test_hosts_that_lack_a_block_are_left_out_of_its_mean() -> None:
    found = over_hosts(np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]]))
    assert found[:2].tolist() == [2.0, 5.0]
    assert np.isnan(found[2])


def test_slots_without_the_canary_do_not_count_for_the_others() -> None:
    canary, other = np.ones((1, len(SIDES))), np.ones((1, len(SIDES)))
    canary[0, 4], other[0, 4] = np.nan, 1000.0  # what the others did meanwhile has nothing beside it
    assert paired(P95, track(canary), track(other), BLOCKS) == pytest.approx(np.zeros(len(BLOCKS)))


def test_a_host_that_is_gone_for_a_while_costs_blocks_and_no_truth() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.02, (4, len(SIDES)))
    figures = np.exp(noise + np.array([[0.0], [0.5], [-0.5], [0.1]]))  # hosts that differ widely
    figures[0, SIDES == 1] *= 1.3
    figures[1, : len(SIDES) // 2] = np.nan
    found = paired(P95, track(figures[:1]), track(figures[1:]), BLOCKS)
    assert not np.isnan(found).any()
    assert found.mean() == pytest.approx(math.log(1.3), abs=0.02)


def test_rates_are_compared_in_points() -> None:
    attempts = np.full((1, len(SIDES)), 100.0)
    failures = np.where(SIDES == 1, 3.0, 1.0)[None, :]
    assert contrasts(ERROR_RATE, Track(failures, attempts), BLOCKS) == pytest.approx(np.full((1, len(BLOCKS)), 0.02))


def test_merging_takes_means() -> None:
    assert merged(np.array([1.0, 3.0, 5.0, 7.0, 9.0]), 2).tolist() == [2.0, 6.0]
    assert merged(np.array([1.0, 3.0]), 1).tolist() == [1.0, 3.0]


def _remembering(phi: float, count: int = 2000) -> Floats:
    rng = np.random.default_rng(5)
    series = np.zeros((1, count))
    for at in range(1, count):
        series[0, at] = phi * series[0, at - 1] + rng.normal()
    return np.exp(0.1 * series)


def test_the_longer_a_series_remembers_the_longer_are_its_blocks() -> None:
    sides = np.repeat([0, 1], 1000)
    lags = [decorrelation(sides, track(_remembering(phi)), None, None) for phi in (0.0, 0.46, 0.9)]
    assert lags[0] <= 2
    assert 3 <= lags[1] <= 7
    assert 15 <= lags[2] <= 60
    assert decorrelation(sides, track(np.ones((1, 2000))), None, None) == 1


def test_what_drifts_slower_than_a_block_does_not_lengthen_it() -> None:
    rng = np.random.default_rng(5)
    sides = np.tile(SIDES, 20)
    at = np.arange(len(sides))
    figures = np.exp(0.5 * np.sin(at / 200) + rng.normal(0, 0.1, len(sides)))[None, :]
    assert decorrelation(sides, track(figures), None, switched(sides)) <= 3
    assert decorrelation(sides, track(figures), None, None) > 30  # where nothing cancels it


def test_before_and_after_with_a_partner() -> None:
    rng = np.random.default_rng(6)
    sides = np.repeat([0, 1], 200)
    weather = rng.lognormal(0, 0.2, 400) * np.linspace(1, 1.5, 400)
    figures = weather * rng.lognormal(0, 0.05, (3, 400))
    figures[0, 200:] *= 1.2
    found = interval(paired(P95, track(figures[:1]), track(figures[1:]), before_after(sides, 8)), 0.99)
    assert found is not None
    assert found.low < math.log(1.2) < found.high
    assert found.low > 0.1
