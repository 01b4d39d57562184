"""A source that only one agent of several can reach: the others step aside, and do not keep its chunks from it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import cast

import pytest

from agent.faults.gate import GATED, Gate
from agent.faults.harness import Bench
from extraction_agent import deadlines, errors
from extraction_agent.jobs import Agent
from extraction_agent.jobs.admission import Admission
from extraction_agent.jobs.copier import MOST_FAILURES
from extraction_agent.model import Definition, Status
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.protect.guards import Guards
from extraction_agent.protect.threads import Threads
from extraction_agent.sources import open_source
from extraction_agent.sources.protocol import Session, Source
from extraction_agent.store import queue
from extraction_agent.store.store import Extraction, Store

_SETTINGS = Settings.model_validate({"batch": {"chunk_rows": 10_000}})
_ALONE = 60.0  # s for all of it, at most
_HELD = 30.0  # s that the source is away to the others: far longer than one agent alone takes for all of it


def _not_here(_: Extraction) -> Source:
    raise errors.NotHere("the secret is another agent's.")


def _behind_an_open_breaker(_: Extraction) -> Source:
    raise errors.SourceUnavailable("the source is away.", retry_after=_HELD)


class _Walled:
    """A source that lets nobody in from here."""

    def __init__(self, source: Source, error: type[errors.SourceError]) -> None:
        self._source, self._error, self.refusals = source, error, 0

    def session(self, _: str | None) -> Session:
        self.refusals += 1
        raise self._error("the firewall stands between.")

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)


def _walled(bench: Bench, error: type[errors.SourceError]) -> tuple[_Walled, Callable[[Extraction], Source]]:
    wall = _Walled(open_source(bench.source.url()), error)
    return wall, lambda _: cast(Source, wall)  # it passes all else on


_WALLS = [errors.SourceUnavailable, errors.SourceError]  # a firewall's, and a pg_hba.conf's


@pytest.mark.parametrize("others", [_not_here, _behind_an_open_breaker])
def test_agents_that_cannot_reach_it_leave_it_to_the_one_that_can(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, others: Callable[[Extraction], Source]
) -> None:
    monkeypatch.setattr(deadlines, "STALLED", _HELD)  # what an agent without the secret waits
    store_url = bench.store.url(bench.new_store())
    source = open_source(bench.source.url())
    with Store(store_url) as store:
        begun = start(store, source, "keyed", bench.source.url(), None, Definition(table="keyed"), _SETTINGS)
    tries: list[Extraction] = []

    def by_others(extraction: Extraction) -> Source:
        tries.append(extraction)
        return others(extraction)

    async def scene() -> float:
        with ExitStack() as left:
            look = left.enter_context(Store(store_url))

            def agent(source_of: Callable[[Extraction], Source]) -> Agent:
                guards = left.enter_context(Guards(store_url, _SETTINGS))
                threads = left.enter_context(closing(Threads(2, 2, 0)))
                return Agent(store_url, source_of, threads, 2, guards=guards)

            agents = [agent(by_others) for _ in range(3)]
            work = [asyncio.create_task(one.run()) for one in agents]
            await asyncio.sleep(1.5)  # so that they have had every chunk's job in their hands
            assert look.summary(begun.extraction_id).chunks_done == 0
            able = agent(lambda _: source)
            work.append(asyncio.create_task(able.run()))
            came = time.monotonic()
            while not look.summary(begun.extraction_id).status.final:
                assert time.monotonic() - came < _ALONE
                await asyncio.sleep(0.05)
            took = time.monotonic() - came
            assert look.summary(begun.extraction_id).status is Status.SUCCEEDED
            for one in (*agents, able):
                one.stop()
            await asyncio.gather(*work)
            return took

    assert asyncio.run(scene()) < _HELD - 1.5 - deadlines.POLL, "it had to wait until the others would have come again"
    assert len(tries) <= 3 * 3, "they did not step aside"  # each may have three jobs in hand when it learns of it


def _agent(left: ExitStack, store_url: str, source_of: Callable[[Extraction], Source]) -> Agent:
    guards = left.enter_context(Guards(store_url, _SETTINGS))
    threads = left.enter_context(closing(Threads(2, 2, 0)))
    return Agent(store_url, source_of, threads, 2, guards=guards)


async def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _ALONE
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("error", _WALLS)
def test_one_that_another_works_on_is_not_failed_by_those_that_cannot_reach_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: type[errors.SourceError]
) -> None:
    """However long it is at one chunk."""
    for name in ("UNREACHED", "REACHED_LATELY", "STALLED"):
        monkeypatch.setattr(deadlines, name, 0.5)
    store_url = bench.store.url(bench.new_store())
    able, (wall, walled) = open_source(bench.source.url()), _walled(bench, error)

    async def scene(look: Store, left: ExitStack, gate: Gate) -> None:
        def for_long() -> bool:
            since = [agent._lanes._unreached.get(1, (time.monotonic(), ""))[0] for agent in agents[1:]]
            return max(since) < time.monotonic() - deadlines.UNREACHED

        agents = [_agent(left, store_url, lambda _: able)]
        work = [asyncio.create_task(agents[0].run())]
        await _until(lambda: look.summary(1).chunks_running == 2)  # all it does at once
        for _ in range(3):
            agents.append(_agent(left, store_url, walled))
            work.append(asyncio.create_task(agents[-1].run()))
        await _until(lambda: wall.refusals >= 20 and for_long())
        assert (look.summary(1).status, look.summary(1).chunks_done) == (Status.RUNNING, 0)
        monkeypatch.setattr(deadlines, "REACHED_LATELY", 180.0)  # far longer than from one of its chunks to the next
        gate.open()
        await _until(lambda: look.summary(1).status.final)
        assert (look.summary(1).status, look.summary(1).trouble) == (Status.SUCCEEDED, None)
        assert {chunk.failures for chunk in look.chunks(1)} == {0}
        for agent in agents:
            agent.stop()
        await asyncio.gather(*work)

    with ExitStack() as left:
        look = left.enter_context(Store(store_url))
        gate = left.enter_context(Gate(bench))
        start(look, able, "gated", bench.source.url(), None, Definition(table=GATED.table), _SETTINGS)
        asyncio.run(scene(look, left, gate))


@pytest.mark.parametrize("error", _WALLS)
def test_one_that_no_agent_reaches_fails_in_the_end_and_tells_its_trouble_before(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: type[errors.SourceError]
) -> None:
    monkeypatch.setattr(deadlines, "STALLED", 0.5)
    monkeypatch.setattr(deadlines, "SNAPSHOT_PING", 0.2)
    store_url = bench.store.url(bench.new_store())
    able, (wall, walled) = open_source(bench.source.url()), _walled(bench, error)

    async def scene(look: Store, left: ExitStack) -> None:
        agents = [_agent(left, store_url, walled) for _ in range(3)]
        work = [asyncio.create_task(agent.run()) for agent in agents]
        await _until(lambda: wall.refusals >= 3 * MOST_FAILURES)
        told = look.summary(1)
        assert (told.status, told.error, told.trouble) == (Status.RUNNING, None, "the firewall stands between.")
        monkeypatch.setattr(deadlines, "UNREACHED", 0.5)
        await _until(lambda: look.summary(1).status.final)
        told = look.summary(1)
        assert (told.status, told.trouble) == (Status.FAILED, None)
        assert told.error is not None
        assert told.error.startswith("No agent reaches the source")
        assert told.error.endswith("the firewall stands between.")
        await _until(lambda: not any(agent._lanes.extractions() for agent in agents))  # which would fail it at once
        monkeypatch.setattr(deadlines, "UNREACHED", 90.0)
        assert look.reopen(1)
        agents.append(_agent(left, store_url, lambda _: able))
        work.append(asyncio.create_task(agents[-1].run()))
        await _until(lambda: look.summary(1).status.final)
        assert look.summary(1).status is Status.SUCCEEDED
        for agent in agents:
            agent.stop()
        await asyncio.gather(*work)

    with ExitStack() as left:
        look = left.enter_context(Store(store_url))
        start(look, able, "keyed", bench.source.url(), None, Definition(table="keyed"), _SETTINGS)
        asyncio.run(scene(look, left))


def test_what_was_stepped_aside_from_is_fetched_again_after_its_time() -> None:
    asked = []

    def running() -> list[int]:
        asked.append(1)
        return [1, 2]

    admission = Admission(None, running)
    assert (admission.queues(), admission.waits, admission.crowded) == (None, False, False)
    admission.look()
    assert not asked, "nothing waits"
    admission.step_aside(1, 0.2)
    admission.look()
    assert (admission.queues(), admission.waits, admission.crowded) == ([queue.queue_of(2)], True, False)
    time.sleep(0.25)
    assert (admission.queues(), admission.waits) == (None, False)


def test_an_agent_of_one_extraction_steps_aside_from_all() -> None:
    admission = Admission(1, list)
    admission.step_aside(1, 0.2)
    assert admission.queues() == []
    time.sleep(0.25)
    assert admission.queues() == [queue.queue_of(1)]
