"""A source that only one agent of several can reach: the others step aside, and do not keep its chunks from it."""

import asyncio
import time
from contextlib import ExitStack, closing

import pytest

from agent.faults.harness import Bench
from extraction_agent import deadlines, errors
from extraction_agent.jobs import Agent
from extraction_agent.jobs.admission import Admission
from extraction_agent.model import Definition, Status
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.protect.guards import Guards
from extraction_agent.protect.threads import Threads
from extraction_agent.sources import open_source
from extraction_agent.sources.protocol import Source
from extraction_agent.store import queue
from extraction_agent.store.store import Extraction, Store

_SETTINGS = Settings.model_validate({"batch": {"chunk_rows": 10_000}})
_ALONE = 60.0  # s for all of it, at most
_HELD = 5.0  # s that the source is away to the others


def _not_here(_: Extraction) -> Source:
    raise errors.NotHere("the secret is another agent's.")


def _behind_an_open_breaker(_: Extraction) -> Source:
    raise errors.SourceUnavailable("the source is away.", retry_after=_HELD)


@pytest.mark.parametrize("others", [_not_here, _behind_an_open_breaker])
def test_agents_that_cannot_reach_it_leave_it_to_the_one_that_can(bench: Bench, others: object) -> None:
    assert callable(others)
    store_url = bench.store.url(bench.new_store())
    source = open_source(bench.source.url())
    with Store(store_url) as store:
        begun = start(store, source, "keyed", bench.source.url(), None, Definition(table="keyed"), _SETTINGS)

    async def scene() -> float:
        with ExitStack() as left:
            look = left.enter_context(Store(store_url))

            def agent(source_of: object) -> Agent:
                assert callable(source_of)
                guards = left.enter_context(Guards(store_url, _SETTINGS))
                threads = left.enter_context(closing(Threads(2, 2, 0)))
                return Agent(store_url, source_of, threads, 2, guards=guards)

            agents = [agent(others) for _ in range(3)]
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
