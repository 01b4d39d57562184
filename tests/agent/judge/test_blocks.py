"""Which slots are compared with which."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extraction_agent.judge.blocks import before_after, switched
from extraction_agent.judge.measures import P95, THROUGHPUT
from extraction_agent.judge.observed import BETWEEN, Floats, Ints, Track, settled
from extraction_agent.judge.statistics import contrasts


def phase(text: str) -> Ints:
    """A: old, B: new, -: neither."""
    return np.array([{"A": 0, "B": 1, "-": BETWEEN}[letter] for letter in text])


def values(series: Floats) -> Track:
    return Track(np.exp(series)[None, :], np.ones((1, len(series))))


def test_each_stretch_of_the_new_has_old_slots_right_before_and_after_it() -> None:
    text = "AAABBBBBBAAAAAABBBBBBAAA"
    blocks = switched(phase(text))
    assert blocks.new.tolist() == [[3, 9], [15, 21]]
    assert blocks.old.tolist() == [[[0, 3], [12, 15]], [[9, 12], [21, 24]]]
    assert blocks.slots_each == 12


@pytest.mark.parametrize("text", ["", "AAAA", "AABB", "BBBAAA", "BBBB", "----", "AABB--"])
def test_without_the_old_on_both_sides_there_is_no_block(text: str) -> None:
    assert len(switched(phase(text))) == 0


def test_a_switch_that_is_under_way_counts_when_it_is_over() -> None:
    assert len(switched(phase("AAABBBBBBAAA"))) == 1
    assert switched(phase("AAABBBBBBA")).old.tolist() == [[[2, 3]], [[9, 10]]]
    assert len(switched(phase("AAABBBBBBAAAAAABBB"))) == 1


def test_the_first_slot_after_a_switch_counts_for_neither() -> None:
    assert settled(phase("AAABBBAA")).tolist() == phase("AAA-BB-A").tolist()
    assert settled(phase("AA-BBB")).tolist() == phase("AA--BB").tolist()
    assert settled(phase("AAABBBBAA"), 2).tolist() == phase("AAA--BB--").tolist()


def test_before_and_after_go_block_by_block() -> None:
    blocks = before_after(phase("AAAAAAABBBBBB"), 3)
    assert blocks.old.tolist() == [[[0, 3], [3, 6]]]
    assert blocks.new.tolist() == [[7, 10], [10, 13]]
    assert len(before_after(phase("AAAAAAABB"), 3)) == 0


@given(st.floats(-1, 1), st.floats(-0.05, 0.05), st.floats(-0.5, 0.5))
def test_a_steady_drift_cancels_when_switched(level: float, drift: float, effect: float) -> None:
    sides = phase("AAABBBBBBAAAAAABBBBBBAAA" * 3)
    series = level + drift * np.arange(len(sides)) + effect * (sides == 1)
    found = contrasts(P95, values(series), switched(sides))
    assert found == pytest.approx(np.full(found.shape, effect), abs=1e-9)


def test_a_block_that_lacks_half_of_its_slots_is_left_out() -> None:
    sides = phase("AAABBBBBBAAA")
    series = np.where(sides == 1, 1.0, 0.0)
    for missing, kept in (([4, 5], True), ([4, 5, 6, 7], False), ([0, 1], False)):
        holed = series.copy()
        holed[missing] = np.nan
        (found,) = contrasts(P95, values(holed), switched(sides))[0]
        assert found == pytest.approx(1.0) if kept else np.isnan(found)


def test_a_stretch_without_a_record_is_very_slow_and_not_impossible() -> None:
    sides = phase("AAABBBBBBAAA")
    records = np.where(sides == 1, 0.0, 1000.0)[None, :]
    found = contrasts(THROUGHPUT, Track(records, np.ones_like(records)), switched(sides))
    assert 5 < float(found[0, 0]) < 20


def test_lumps_of_records_count_by_their_sum() -> None:
    sides = phase("AAAABBBBBBBBAAAA")
    steady = np.full((1, 16), 100.0)
    lumps = np.where(np.arange(16) % 4 == 3, 400.0, 0.0)[None, :]
    blocks = switched(sides)
    found = [contrasts(THROUGHPUT, Track(one, np.ones_like(one)), blocks) for one in (steady, lumps)]
    assert found[1] == pytest.approx(found[0], abs=1e-3)
