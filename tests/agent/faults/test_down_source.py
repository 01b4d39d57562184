"""A source that is down is asked now and then, by one; extractions of others go on; it is taken up when it is back."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import cast
from urllib.parse import urlsplit

import pytest

from agent.faults.harness import Bench
from extraction_agent import embedded, errors, postgres
from extraction_agent.interfaces.agent.composition import Sources
from extraction_agent.jobs import Agent
from extraction_agent.model import Definition, Status
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.protect.breaker import FAILURES, Breaker, State
from extraction_agent.protect.guards import Guards
from extraction_agent.protect.threads import Threads
from extraction_agent.sources import open_source
from extraction_agent.sources.protocol import Session, Source
from extraction_agent.store.store import Extraction, Store
from proxy import Proxy
from support import Database

PATIENCE = 60.0
_SETTINGS = Settings.model_validate({"batch": {"chunk_rows": 5_000}})


@pytest.fixture
def frail() -> Iterator[embedded.Server]:
    """A server that the test stops and starts."""
    with embedded.folder() as folder, embedded.Server(folder / "frail", {"shared_buffers": "'32MB'"}) as server:
        yield server


def reached(url: str, breaker: Breaker) -> bool:
    """Whether the server was asked at all, whatever it said."""
    asked = False
    try:
        with breaker, postgres.translated(postgres.SOURCE, "source"):
            asked = True
            postgres.connect(url, application_name="test").close()
    except errors.SourceUnavailable:
        pass
    return asked


def test_many_threads_ask_a_server_that_is_down_now_and_then(frail: embedded.Server) -> None:
    breaker = Breaker("source frail", errors.SourceUnavailable)
    assert reached(frail.url(), breaker)
    frail.stop("immediate")
    asked, calls, ended = [0], [0], threading.Event()

    def hammer() -> None:
        while not ended.is_set():
            asked[0] += reached(frail.url(), breaker)
            calls[0] += 1
            time.sleep(0.002)

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(4)
    assert breaker.state is not State.CLOSED
    assert calls[0] > 200
    assert 3 <= asked[0] <= 16  # the first of each thread, then after 1, 2 and 4 s
    frail.start()
    until(lambda: breaker.state is State.CLOSED)
    ended.set()
    for thread in threads:
        thread.join()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Counted:
    """A source that counts how often a session of it is asked for."""

    def __init__(self, source: Source) -> None:
        self._source, self.sessions = source, 0

    def session(self, snapshot_token: str | None) -> Session:
        self.sessions += 1
        return self._source.session(snapshot_token)

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)


def test_extractions_of_other_sources_go_on_and_its_own_when_it_is_back(bench: Bench, frail: embedded.Server) -> None:
    rows = 100_000
    with postgres.connect(frail.url(), application_name="test") as connection:
        connection.execute(f"CREATE TABLE t AS SELECT n AS id, md5(n::text) AS v FROM generate_series(1, {rows}) n")
        connection.execute("ALTER TABLE t ADD PRIMARY KEY (id)")
        connection.execute("ANALYZE t")
    store_url = bench.store.url(bench.new_store())
    there, counted = open_source(bench.source.url()), Counted(open_source(frail.url()))
    gone = cast(Source, counted)  # it passes all else on
    with Store(store_url) as store:
        down = start(store, gone, "down", frail.url(), None, Definition(table="t"), _SETTINGS)
        up = start(store, there, "up", bench.source.url(), None, Definition(table="keyed"), _SETTINGS)
    for begun in (down, up):
        assert begun.snapshot is None
    frail.stop("immediate")

    def source_of(extraction: Extraction) -> Source:
        return gone if extraction.config.name == "down" else there

    async def scene() -> None:
        with Guards(store_url, _SETTINGS) as guards, closing(Threads(2, 2, 0)) as threads:
            agent = Agent(store_url, source_of, threads, 2, guards=guards)
            since = time.monotonic()
            work = asyncio.create_task(agent.run())
            with Store(store_url) as look:
                await _until(lambda: look.summary(up.extraction_id).status.final)
                assert look.summary(up.extraction_id).status is Status.SUCCEEDED
                assert look.summary(down.extraction_id).status is Status.RUNNING
                took = time.monotonic() - since
                # Of 20 chunks, tried again and again: at first some, then one each time the breaker has been open.
                assert 1 <= counted.sessions <= 8 + took / 4
                frail.start()
                await _until(lambda: look.summary(down.extraction_id).status.final)
                assert look.summary(down.extraction_id).status is Status.SUCCEEDED
                assert look.summary(down.extraction_id).rows == rows
            agent.stop()
            await work

    asyncio.run(scene())


async def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


def test_one_that_is_down_before_its_first_chunk_is_behind_its_breaker_too(source: Database, store: Database) -> None:
    """Without a secret an agent logs in once before it takes a chunk."""
    source.run("CREATE TABLE item (id int PRIMARY KEY)", "INSERT INTO item VALUES (1)", "ANALYZE item")
    with Proxy(urlsplit(source.url).port or 0) as proxy, Store(store.url) as opened:
        url = proxy.url(source.url.rpartition("/")[2])
        begun = start(opened, open_source(url), "far", url, None, Definition(table="item"), _SETTINGS)
        extraction = opened.extraction(begun.extraction_id)
        proxy.refuse()
        for pump in proxy._threads[1:]:
            pump.join(PATIENCE)  # each counts a cut of its own when it wakes
        breaker = Breaker("source far", errors.SourceUnavailable, lambda: 0.0)  # once open, it stays so
        sources = Sources(frozenset(), lambda _: breaker)
        for _ in range(FAILURES):
            with pytest.raises(errors.SourceUnavailable):
                sources.of(extraction)
        assert breaker.state is State.OPEN
        cuts = proxy.cuts
        with pytest.raises(errors.SourceUnavailable) as refused:
            sources.of(extraction)
        assert refused.value.retry_after is not None
        assert proxy.cuts == cuts, "it was not asked again"
