"""What an interval, and a figure, says under its rule."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extraction_agent.judge.measures import (
    ERROR_RATE,
    OF_HOSTS,
    P95,
    ROUND_TRIP,
    THROUGHPUT,
    tolerated,
    tolerated_of_neighbours,
)
from extraction_agent.judge.rules import Rule, each, gates
from extraction_agent.judge.samples import HostSample
from extraction_agent.judge.statistics import Interval
from extraction_agent.profiles import Gates

RISE = Rule(P95, 0.05)
LIMIT = math.log(1.05)


def found(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, (high - low) / 2, 20, 0.1)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.06, 0.10, "worse"),
        (0.04, 0.10, "unclear"),  # it may be as little as is tolerated
        (0.01, 0.04, "same"),  # surely worse, and surely not by what matters
        (-0.02, 0.02, "same"),
        (-0.20, 0.06, "unclear"),
        (-0.20, -0.06, "better"),
        (-0.20, -0.01, "same"),
    ],
)
def test_an_outcome_is_said_when_the_whole_interval_says_it(low: float, high: float, outcome: str) -> None:
    assert RISE.outcome(found(low, high)) == outcome
    assert RISE.outcome(None) == "unclear"


@given(st.floats(-3, 3), st.floats(0, 1))
def test_whether_it_is_narrow_enough_does_not_depend_on_the_effect(middle: float, half: float) -> None:
    assert RISE.narrow(Interval(middle, half, 20, 0.1)) == RISE.narrow(Interval(0.0, half, 20, 0.1))


@given(st.floats(-1, 1), st.floats(0, LIMIT / 2))
def test_a_narrow_interval_of_no_change_or_twice_the_tolerated_is_never_unclear(effect: float, half: float) -> None:
    if abs(effect) < LIMIT / 2 or effect > 1.5 * LIMIT + 1e-9:
        assert RISE.outcome(Interval(effect, half * 0.999, 20, 0.1)) != "unclear"


def test_a_tolerated_fall_is_not_a_tolerated_rise() -> None:
    assert THROUGHPUT.log(0.075) == pytest.approx(-math.log(0.925))
    assert P95.log(0.05) == pytest.approx(math.log(1.05))
    assert ERROR_RATE.log(0.01) == 0.01
    assert str(Rule(THROUGHPUT, 0.075)) == "fall ≤ 7.5 %"
    assert str(Rule(ERROR_RATE, 0.01)) == "rise ≤ 1 points"


def test_every_metric_has_its_tolerance_in_the_gates() -> None:
    given_ = Gates(
        tolerated_fall_of_throughput=0.11, tolerated_rise_of_p95=0.12, tolerated_rise_of_p99=0.13,
        tolerated_rise_of_query_p95=0.14, tolerated_rise_of_error_rate=0.15, tolerated_harm_to_neighbours=0.16,
    )  # fmt: skip
    assert [tolerated(one, given_) for one in OF_HOSTS] == [0.11, 0.12, 0.13, 0.14, 0.15]
    assert tolerated_of_neighbours(THROUGHPUT, given_) == 0.16
    assert tolerated_of_neighbours(ERROR_RATE, given_) == 0.15


def test_a_source_may_be_allowed_several_times_its_round_trip() -> None:
    assert Rule(ROUND_TRIP, Gates(tolerated_harm_to_sources=5).tolerated_harm_to_sources).outcome(
        found(math.log(2.2), math.log(3.4))
    ) == "same"  # fmt: skip


def test_the_more_is_compared_the_surer_each_must_be() -> None:
    assert each(1) == pytest.approx(0.95)
    assert each(10) == pytest.approx(0.995)
    assert each(0) == pytest.approx(0.95)


KEPT: dict[str, Any] = {
    "rollout": 1, "slot": 0, "started_at": datetime(2026, 1, 1, tzinfo=UTC), "seconds": 60.0, "host": "h1",
    "generation": 2, "trial": True, "busy_seconds": 60.0, "records": 20_000, "attempts": 1000, "failures": 10,
    "requests": {"0.1": 950, "0.2": 990, "0.5": 1000, "+Inf": 1000},
    "queries": {"0.02": 960, "0.05": 1000, "+Inf": 1000}, "pool_use": 0.79,
}  # fmt: skip


def _outcomes(*samples: dict[str, Any]) -> dict[str, str]:
    return {one.metric: one.outcome for one in gates([HostSample(**(KEPT | one)) for one in samples], Gates())}


def test_figures_that_just_keep_the_gates() -> None:
    assert _outcomes({}) == dict.fromkeys(("throughput", "error_rate", "p95", "p99", "query_p95", "pool_use"), "kept")


@pytest.mark.parametrize(
    ("metric", "changes"),
    [
        ("throughput", {"records": 19_999}),
        ("error_rate", {"failures": 11}),
        ("p95", {"requests": {"0.1": 100, "0.2": 950, "0.5": 1000, "+Inf": 1000}}),  # exactly 200 ms is not below
        ("p99", {"requests": {"0.1": 955, "0.2": 960, "0.5": 989, "+Inf": 1000}}),
        ("query_p95", {"queries": {"0.02": 500, "0.05": 949, "+Inf": 1000}}),
        ("pool_use", {"pool_use": 0.8}),
    ],
)
def test_each_figure_breaks_its_own_gate(metric: str, changes: dict[str, Any]) -> None:
    broken = [name for name, outcome in _outcomes(changes).items() if outcome == "broken"]
    assert broken == [metric]


def test_a_gate_is_held_against_all_slots_together() -> None:
    slow = {"requests": {"0.1": 0, "0.2": 0, "0.5": 10, "+Inf": 10}}
    assert _outcomes({}, slow)["p95"] == "kept"  # 10 slow answers among 1,010
    assert _outcomes({}, *[slow] * 6)["p95"] == "broken"
    assert _outcomes({"records": 0}, {"records": 40_000})["throughput"] == "kept"
    assert _outcomes({"records": 0, "busy_seconds": 0.0}, {})["throughput"] == "kept"  # idle is not slow


def test_a_figure_that_nobody_knows_is_no_data() -> None:
    nothing = {"busy_seconds": 0.0, "records": 0, "attempts": 0, "failures": 0, "requests": {}, "queries": {}}
    assert set(_outcomes(nothing | {"pool_use": None}).values()) == {"no data"}
