"""The thread pool at each of its borders, with barriers and not with sleeps; and under random load."""

import asyncio
import contextvars
import gc
import logging
import random
import threading
import weakref
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager

import pytest

from agent.faults.harness import until
from extraction_agent import errors
from extraction_agent.observe import metrics
from extraction_agent.protect.threads import Threads

LONG = 30.0  # s, for what happens at once


class Gate:
    """Calls that stay inside until the gate is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._inside = threading.Semaphore(0)
        self.entered: list[object] = []

    def call(self, mark: object = None) -> str:
        self.entered.append(mark)
        self._inside.release()
        assert self._open.wait(LONG)
        return threading.current_thread().name

    def wait_for(self, count: int) -> None:
        """Until that many more are inside."""
        for _ in range(count):
            assert self._inside.acquire(timeout=LONG)

    def open(self) -> None:
        self._open.set()


@contextmanager
def pool(core: int, maximum: int, queue: int, idle_seconds: float = LONG) -> Iterator[tuple[Threads, Gate]]:
    threads, gate = Threads(core, maximum, queue, idle_seconds=idle_seconds), Gate()
    try:
        yield threads, gate
    finally:
        gate.open()
        assert threads.close(LONG)
        assert threads.stats().threads == 0


def value(name: str) -> float:
    return metrics.REGISTRY.get_sample_value(name) or 0.0


def test_grows_to_core_then_queues_then_grows_to_maximum_then_refuses() -> None:
    with pool(core=2, maximum=4, queue=3) as (threads, gate):
        calls = [threads.submit(gate.call, number) for number in range(2)]
        gate.wait_for(2)
        assert (threads.stats().threads, threads.stats().queued) == (2, 0)

        calls += [threads.submit(gate.call, number) for number in range(2, 5)]
        assert (threads.stats().threads, threads.stats().queued) == (2, 3)

        for number in (5, 6):
            calls.append(threads.submit(gate.call, number))
            gate.wait_for(1)
            assert gate.entered[-1] == number  # the newest overtakes those that wait, as in Java
        assert (threads.stats().threads, threads.stats().queued) == (4, 3)

        with pytest.raises(errors.Busy, match="All 4 threads have work and 3 calls wait") as refused:
            threads.submit(gate.call, 7)
        assert 1 <= refused.value.retry_after <= 30
        assert threads.stats().rejected == 1

        gate.open()
        names = {call.result(LONG) for call in calls}
        assert names == {"extraction-1", "extraction-2", "extraction-3", "extraction-4"}
        assert sorted(gate.entered, key=str) == list(range(7))
        stats = threads.stats()
        assert (stats.started, stats.completed, stats.active, stats.queued) == (7, 7, 0, 0)


def test_starts_threads_up_to_core_even_beside_an_idle_one() -> None:
    with pool(core=3, maximum=3, queue=1) as (threads, _):
        for expected in (1, 2, 3, 3):
            threads.submit(int).result(LONG)
            assert threads.stats().threads == expected


def test_without_a_queue_a_call_goes_to_an_idle_thread_or_a_new_one_or_nowhere() -> None:
    with pool(core=1, maximum=2, queue=0) as (threads, gate):
        for _ in range(500):  # a thread whose result is out is free, though it may not sleep yet
            threads.submit(int).result(LONG)
        assert threads.stats().threads == 1
        calls = [threads.submit(gate.call) for _ in range(2)]
        gate.wait_for(2)
        with pytest.raises(errors.Busy):
            threads.submit(gate.call)
        gate.open()
        assert {call.result(LONG) for call in calls} == {"extraction-1", "extraction-2"}


def test_refuses_exactly_what_is_beyond_250_and_loses_nothing() -> None:
    before = {name: value(name) for name in ("extraction_threads_rejected_total", "extraction_threads_completed_total")}
    with pool(core=20, maximum=50, queue=200) as (threads, gate):
        accepted, refused = [], 0
        for number in range(287):
            try:
                accepted.append(threads.submit(gate.call, number))
            except errors.Busy:
                refused += 1
        gate.wait_for(50)
        assert (len(accepted), refused) == (250, 37)
        assert value("extraction_threads_active") == 50
        assert value("extraction_threads_queued") == 200
        assert (value("extraction_threads_core"), value("extraction_threads_max")) == (20, 50)
        gate.open()
        names = [call.result(LONG) for call in accepted]
        assert set(names) <= {f"extraction-{number}" for number in range(1, 51)}
        assert len(gate.entered) == len(set(gate.entered)) == 250
        assert threads.stats().rejected == 37
    assert value("extraction_threads_rejected_total") - before["extraction_threads_rejected_total"] == 37
    assert value("extraction_threads_completed_total") - before["extraction_threads_completed_total"] == 250
    for name in ("active", "queued", "core", "max"):
        assert value(f"extraction_threads_{name}") == 0


def test_made_smaller_while_busy_finishes_all_it_took() -> None:
    with pool(core=8, maximum=12, queue=40) as (threads, gate):
        calls = [threads.submit(gate.call) for _ in range(52)]
        gate.wait_for(12)
        threads.resize(2, 3, 5)
        assert (threads.stats().threads, threads.stats().queued) == (12, 40)
        with pytest.raises(errors.Busy):
            threads.submit(gate.call)
        gate.open()
        assert len({id(call) for call in calls if call.result(LONG)}) == 52
        until(lambda: threads.stats().threads <= 3)
        assert threads.stats().completed == 52


def test_made_larger_starts_threads_for_those_that_wait() -> None:
    with pool(core=1, maximum=1, queue=5) as (threads, gate):
        calls = [threads.submit(gate.call) for _ in range(6)]
        gate.wait_for(1)
        threads.resize(3, 4, 2)  # three by the core; a fourth, for the queue holds more than it may
        gate.wait_for(3)
        assert (threads.stats().threads, threads.stats().queued) == (4, 2)
        gate.open()
        assert len([call.result(LONG) for call in calls]) == 6


def test_threads_beyond_the_core_end_and_their_numbers_are_used_again() -> None:
    with pool(core=2, maximum=5, queue=0, idle_seconds=0.01) as (threads, _):
        for _ in range(2):
            gate = Gate()
            calls = [threads.submit(gate.call) for _ in range(5)]
            gate.wait_for(5)
            gate.open()
            assert {call.result(LONG) for call in calls} == {f"extraction-{number}" for number in range(1, 6)}
            until(lambda: threads.stats().threads == 2)
        threads.resize(1, 5, 0)
        until(lambda: threads.stats().threads == 1)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_an_error_is_the_caller_s_and_the_thread_goes_on(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pool(core=1, maximum=1, queue=1) as (threads, _):
        assert threads.submit(fail).exception(LONG) is error
        assert threads.submit(lambda: threading.current_thread().name).result(LONG) == "extraction-1"
        assert threads.stats().completed == 2


def test_a_call_that_is_cancelled_while_it_waits_makes_room_and_never_runs() -> None:
    with pool(core=1, maximum=1, queue=1) as (threads, gate):
        running = threads.submit(gate.call, "running")
        gate.wait_for(1)
        waiting = threads.submit(gate.call, "cancelled")
        with pytest.raises(errors.Busy):
            threads.submit(gate.call, "refused")
        assert waiting.cancel()
        assert waiting.cancel()
        assert futures.wait([waiting], LONG).done == {waiting}
        assert not running.cancel()
        after = threads.submit(gate.call, "after")
        gate.open()
        assert after.result(LONG) == running.result(LONG) == "extraction-1"
        assert gate.entered == ["running", "after"]
        assert (threads.stats().cancelled, threads.stats().started) == (1, 2)


def test_close_finishes_what_runs_and_what_waits() -> None:
    threads, gate = Threads(1, 1, 5), Gate()
    calls = [threads.submit(gate.call) for _ in range(6)]
    gate.wait_for(1)
    closing = threading.Thread(target=threads.close, args=(LONG,))
    closing.start()
    until(lambda: _refuses(threads))
    gate.open()
    closing.join(LONG)
    assert [call.result(0) for call in calls] == ["extraction-1"] * 6
    assert threads.close(0)


def _refuses(threads: Threads) -> bool:
    try:
        threads.submit(int)
    except errors.Busy as busy:
        return "stopping" in str(busy)
    return False


def test_close_leaves_a_stuck_call_behind_at_its_deadline(caplog: pytest.LogCaptureFixture) -> None:
    threads, gate = Threads(1, 1, 5), Gate()
    stuck, waiting = threads.submit(gate.call), threads.submit(gate.call)
    gate.wait_for(1)
    assert not threads.close(0.1)
    assert waiting.cancelled()
    assert "left behind after 0.1 s: extraction-1, and 1 calls not begun" in caplog.text
    gate.open()
    assert stuck.result(LONG) == "extraction-1"
    until(lambda: threads.stats().threads == 0)


def test_an_idle_thread_holds_on_to_nothing() -> None:
    class Thing:
        pass

    with pool(core=1, maximum=1, queue=0) as (threads, _):
        thing = Thing()
        gone = weakref.ref(thing)
        result = threads.submit(lambda given: [given], thing)
        assert result.result(LONG) == [thing]
        del thing, result
        until(lambda: gc.collect() >= 0 and gone() is None)


def test_run_gives_the_result_the_error_and_the_caller_s_context() -> None:
    request = contextvars.ContextVar("request", default="none")

    def fail() -> None:
        raise errors.SourceError("broken")

    async def work() -> None:
        with pool(core=1, maximum=1, queue=1) as (threads, _):
            request.set("r-17")
            assert await threads.run(request.get) == "r-17"
            assert await threads.run(lambda a, b: a + b, 1, b=2) == 3
            with pytest.raises(errors.SourceError, match="broken"):
                await threads.run(fail)

    asyncio.run(work())


def test_whoever_waits_may_leave_and_the_call_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def work() -> None:
        with pool(core=1, maximum=1, queue=1) as (threads, gate):

            def slow() -> None:
                gate.call("begun")
                raise errors.SourceError("too late to be heard")

            tasks = [asyncio.create_task(threads.run(slow)), asyncio.create_task(threads.run(gate.call, "never"))]
            await asyncio.to_thread(gate.wait_for, 1)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=LONG)
            assert all(task.cancelled() for task in tasks)
            assert (threads.stats().active, threads.stats().cancelled) == (1, 1)
            gate.open()
            until(lambda: threads.stats().completed == 1)
            assert gate.entered == ["begun"]

    asyncio.run(work())
    assert "a call that nobody waits for any more failed: too late to be heard" in caplog.text


def test_a_system_that_gives_no_more_threads_costs_a_refusal_and_no_call() -> None:
    with pool(core=2, maximum=3, queue=1) as (threads, gate):
        first = threads.submit(gate.call)
        before = threading.stack_size(1 << 47)  # more than a process can address
        try:
            with pytest.raises(errors.Busy, match="gives this process no more threads"):
                threads.submit(gate.call)
        finally:
            threading.stack_size(before)
        assert (threads.stats().threads, threads.stats().rejected) == (1, 1)
        second = threads.submit(gate.call)
        gate.open()
        assert {first.result(LONG), second.result(LONG)} == {"extraction-1", "extraction-2"}


def test_sizes_that_contradict_each_other_are_refused() -> None:
    with pool(core=1, maximum=1, queue=0) as (threads, _):
        for sizes in ((2, 1, 0), (0, 1, 0), (1, 1, -1)):
            with pytest.raises(ValueError, match="is not so"):
                threads.resize(*sizes)
        assert threads.stats().core == 1


class Load:
    """Callers that submit, fail and cancel at random, while somebody resizes the pool and somebody reads figures."""

    LARGEST = 8
    CALLERS, EACH = 6, 300

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.threads = Threads(2, 4, 3, idle_seconds=0.001)
        self.ran: list[int] = []
        self.submitted: list[futures.Future[int]] = []
        self.refused: list[int] = []
        self.wrong: list[object] = []  # figures that did not add up
        self._ended = threading.Event()

    def run(self) -> None:
        callers = [threading.Thread(target=self._call, args=(number,)) for number in range(self.CALLERS)]
        helpers = [threading.Thread(target=self._observe), threading.Thread(target=self._resize)]
        for thread in [*helpers, *callers]:
            thread.start()
        for thread in callers:
            thread.join(LONG)
        assert not futures.wait(self.submitted, LONG).not_done
        self._ended.set()
        for thread in helpers:
            thread.join(LONG)

    def _work(self, number: int, fails: bool, pause: float) -> int:
        self.ran.append(number)
        self._ended.wait(pause)
        if fails:
            raise ValueError(number)
        return number

    def _call(self, caller: int) -> None:
        chance = random.Random(self.seed * 100 + caller)
        for number in range(caller * self.EACH, (caller + 1) * self.EACH):
            fails, pause = chance.random() < 0.2, chance.choice([0, 0, 0, 0.0005])
            try:
                call = self.threads.submit(self._work, number, fails, pause)
            except errors.Busy:
                self.refused.append(number)
                continue
            self.submitted.append(call)
            if chance.random() < 0.1:
                call.cancel()

    def _observe(self) -> None:
        while not self._ended.wait(0.0002):
            seen = self.threads.stats()
            if seen.started != seen.completed + seen.active or not 0 <= seen.active <= seen.threads <= self.LARGEST:
                self.wrong.append(seen)

    def _resize(self) -> None:
        chance = random.Random(self.seed)
        while not self._ended.wait(0.002):
            maximum = chance.randint(1, self.LARGEST)
            self.threads.resize(chance.randint(1, maximum), maximum, chance.randint(0, 10))


@pytest.mark.parametrize("seed", range(12))
def test_random_load_keeps_the_books(seed: int) -> None:
    load = Load(seed)
    load.run()
    load.threads.resize(1, 1, 0)
    until(lambda: load.threads.stats().threads <= 1)
    assert load.threads.close(LONG)

    stats = load.threads.stats()
    ran = [call for call in load.submitted if not call.cancelled()]
    assert not load.wrong
    assert len(load.submitted) + len(load.refused) == load.CALLERS * load.EACH
    assert len(load.ran) == len(set(load.ran)) == len(ran)
    assert stats.rejected == len(load.refused) > 0
    assert stats.started + stats.cancelled == len(load.submitted)
    assert (stats.active, stats.queued, stats.threads) == (0, 0, 0)
    assert all(call.exception(0) is not None or call.result(0) in load.ran for call in ran)
