"""A store that is away for longer than anything waits for it: the agent goes on when it is back, whenever that is."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from agent.faults.harness import Bench, rows, run
from extraction_agent import deadlines, embedded, errors
from extraction_agent.jobs import Agent
from extraction_agent.model import Definition, Status
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.protect.guards import Guards
from extraction_agent.protect.threads import Threads
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store

PATIENCE = 30.0
AWAY = 8.0  # s: the queue's connection is waited for and opened anew, each for CONNECT, several times
_SETTINGS = Settings.model_validate({"batch": {"chunk_rows": 500}})


@pytest.fixture
def frail() -> Iterator[embedded.Server]:
    """A server that the test stops and starts."""
    with embedded.folder() as folder, embedded.Server(folder / "frail", {"shared_buffers": "'32MB'"}) as server:
        yield server


def test_it_goes_on_after_a_pool_could_not_be_opened(
    bench: Bench, frail: embedded.Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deadlines, "CONNECT", 1.0)
    store_url = frail.url()
    assert run("store", "init", "--store", store_url).returncode == 0
    source = open_source(bench.source.url())
    with Store(store_url) as store:
        begun = start(store, source, "keyed", bench.source.url(), None, Definition(table="keyed"), _SETTINGS)

    def done() -> int:
        return int(rows(store_url, "SELECT count(*) FROM extraction_chunks WHERE state = 'done'")[0][0])

    def ended() -> bool:
        with Store(store_url) as look:
            return look.summary(begun.extraction_id).status.final

    async def scene() -> None:
        with Guards(store_url, _SETTINGS) as guards, closing(Threads(2, 2, 0)) as threads:
            agent = Agent(store_url, lambda _: source, threads, 2, guards=guards)
            work = asyncio.create_task(agent.run())
            await _until(lambda: done() >= 2)
            frail.stop("immediate")
            with pytest.raises(errors.StoreUnavailable):
                Store(store_url)
            await asyncio.sleep(AWAY)
            assert not work.done(), work.exception()
            assert "pool initialization incomplete" in caplog.text, "it was not away for long enough"
            frail.start()
            before = done()
            assert before < bench.rows // 500, "there is nothing left to do"
            await _until(lambda: done() > before, deadlines.STALLED + 10)
            await _until(ended)
            agent.stop()
            await work

    asyncio.run(scene())
    with Store(store_url) as look:
        summary = look.summary(begun.extraction_id)
    assert (summary.status, summary.rows) == (Status.SUCCEEDED, bench.rows)


async def _until(true: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
