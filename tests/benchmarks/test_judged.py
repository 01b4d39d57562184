"""Rounds held against each other by the judge's statistics."""

from benchmarks.judged import change, percent, times

from extraction_agent.judge.measures import P95, THROUGHPUT


def test_what_doubles_in_each_round_is_told_so_however_rounds_differ() -> None:
    before = [100.0, 300.0, 50.0, 70.0, 900.0]
    after = [200.0, 601.0, 101.0, 139.0, 1800.0]
    found = change(THROUGHPUT, before, after)
    assert found is not None
    assert found.high < 0  # not worse: better
    assert times(THROUGHPUT, found).startswith("2.00 × (1.9")
    slower = change(P95, before, after)
    assert slower is not None
    assert slower.low > 0
    assert percent(P95, slower).startswith("+100.")


def test_noise_shows_nothing_and_one_round_says_nothing() -> None:
    found = change(THROUGHPUT, [100.0, 110.0, 95.0, 104.0], [104.0, 99.0, 101.0, 100.0], comparisons=5)
    assert found is not None
    assert found.low < 0 < found.high
    assert change(THROUGHPUT, [100.0], [200.0]) is None
    assert times(THROUGHPUT, None) == percent(P95, None) == ""
