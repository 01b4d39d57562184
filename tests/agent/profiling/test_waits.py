"""What threads wait for is counted while they wait, in the threads that copy and in no others."""

import threading
import time

from extraction_agent import waits
from extraction_agent.waits import Wait


def _added(before: dict[Wait, float]) -> dict[Wait, float]:
    return {wait: seconds - before[wait] for wait, seconds in waits.totals().items()}


def test_a_wait_counts_while_it_lasts() -> None:
    before, waiting, go_on = waits.totals(), threading.Event(), threading.Event()

    def copy() -> None:
        with waits.counted(), waits.waiting_for(Wait.STORE):
            waiting.set()
            assert go_on.wait(10)

    thread = threading.Thread(target=copy)
    thread.start()
    assert waiting.wait(10)
    time.sleep(0.05)
    during = _added(before)[Wait.STORE]
    assert during >= 0.05
    go_on.set()
    thread.join()
    ended = _added(before)
    assert ended[Wait.STORE] >= during
    time.sleep(0.05)
    assert _added(before) == ended  # it counts no longer


def test_waits_inside_waits_are_told_apart() -> None:
    before = waits.totals()
    with waits.counted(), waits.waiting_for(Wait.STORE):
        with waits.waiting_for(Wait.SOURCE):
            time.sleep(0.5)
        time.sleep(0.01)
    added = _added(before)
    assert added[Wait.SOURCE] >= 0.5
    assert 0.01 <= added[Wait.STORE] < 0.5
    assert added[Wait.NOTHING] < 0.5


def test_other_threads_do_not_count() -> None:
    before = waits.totals()
    with waits.waiting_for(Wait.SOURCE):
        time.sleep(0.01)
    assert waits.totals() == before


def test_whoever_reads_in_the_midst_of_a_turn_counts_nothing_twice() -> None:
    begun = time.perf_counter()
    clock, read = waits.Clock(), []

    class Spying(dict[Wait, float]):
        def __setitem__(self, wait: Wait, seconds: float) -> None:
            read.append(sum(clock.read().values()))
            super().__setitem__(wait, seconds)
            read.append(sum(clock.read().values()))

    clock.spent = Spying(clock.spent)
    clock.turn(Wait.STORE)
    time.sleep(0.05)
    clock.turn(Wait.NOTHING)
    assert len(read) == 4
    assert max(read) <= time.perf_counter() - begun + 0.01


def test_totals_never_fall() -> None:
    ended = threading.Event()

    def copy() -> None:
        while not ended.is_set():
            with waits.counted():
                for wait in (Wait.SOURCE, Wait.STORE) * 50:
                    with waits.waiting_for(wait):
                        pass

    threads = [threading.Thread(target=copy) for _ in range(3)]
    for thread in threads:
        thread.start()
    last = waits.totals()
    begun = time.perf_counter()
    while time.perf_counter() - begun < 0.3:
        now = waits.totals()
        assert all(now[wait] >= last[wait] for wait in Wait)
        last = now
    ended.set()
    for thread in threads:
        thread.join()
