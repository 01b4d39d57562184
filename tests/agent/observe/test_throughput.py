"""The gauge of throughput: its window, its busy minute, and what is taken back."""

import pytest

from extraction_agent.observe.throughput import Throughput


class _Clock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.25

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def throughput(clock: _Clock) -> Throughput:
    return Throughput(clock)


def test_without_work_it_is_zero(throughput: Throughput) -> None:
    assert throughput.per_minute() == 0


def test_a_steady_stream_is_its_rate_from_the_first_second_on(throughput: Throughput, clock: _Clock) -> None:
    with throughput.busy(), throughput.chunk() as moved:
        for second in range(200):
            clock.now += 1
            moved(500)
            assert throughput.per_minute() == pytest.approx(30_000, rel=0.03 if second > 30 else 0.5), second


def test_idle_time_does_not_count_and_waiting_in_flight_does(throughput: Throughput, clock: _Clock) -> None:
    with throughput.busy(), throughput.chunk() as moved:
        clock.now += 10
        moved(1000)
    assert throughput.per_minute() == pytest.approx(6000)
    clock.now += 20
    assert throughput.per_minute() == pytest.approx(6000)
    with throughput.busy():
        clock.now += 10
        assert throughput.per_minute() == pytest.approx(3000)


def test_what_is_older_than_the_window_is_forgotten(throughput: Throughput, clock: _Clock) -> None:
    with throughput.busy(), throughput.chunk() as moved:
        clock.now += 1
        moved(1000)
        clock.now += 61
        assert throughput.per_minute() == 0
        clock.now += 100_000
        moved(1000)
        assert throughput.per_minute() == pytest.approx(1000, rel=0.02)
    clock.now += 61
    assert throughput.per_minute() == 0


def test_two_chunks_at_once_are_busy_once(throughput: Throughput, clock: _Clock) -> None:
    with throughput.busy(), throughput.busy(), throughput.chunk() as one, throughput.chunk() as other:
        clock.now += 6
        one(100)
        other(200)
    assert throughput.per_minute() == pytest.approx(3000)


def test_records_of_a_failed_chunk_are_taken_back(throughput: Throughput, clock: _Clock) -> None:
    def fail() -> None:
        with throughput.chunk() as moved:
            for _ in range(100):
                clock.now += 1
                moved(7)
            assert throughput.per_minute() == pytest.approx(420, rel=0.05)
            raise OSError("lost")

    with throughput.busy():
        with pytest.raises(OSError, match="lost"):
            fail()
        assert throughput.per_minute() == 0


def test_each_whole_second_is_told_the_oldest_first(throughput: Throughput, clock: _Clock) -> None:
    with throughput.busy(), throughput.chunk() as moved:
        for rows in (5, 0, 7):
            moved(rows)
            clock.now += 1
        moved(9)
        assert throughput.per_second() == [0] * 56 + [5, 0, 7]
        clock.now += 100
        assert throughput.per_second() == [0] * 59
