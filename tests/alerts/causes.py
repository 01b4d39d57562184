"""What each alert is there for, brought about on entering and mended on leaving."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg

from agent.daemon.controller import Controller, profile
from agent.tuning import index_bench
from alerts.scene import WORKING, Scene
from daemons import until
from extraction_agent.model import Definition
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from extraction_agent.tuning.indexes.place import Place
from tampering import tamper

_CALLERS = 6  # of a pool of two
_LONG = 600.0  # s
_UNGUARDED: dict[str, Any] = {
    "throughput_records_per_minute": 0,
    "tolerated_rise_of_error_rate": 1,
    "pool_exhausted_seconds": 600,
}


@contextmanager
def indexes_left(scene: Scene) -> Iterator[None]:
    """An aborted rollout has built an index at a source, where no agent may drop it."""
    with Store(scene.store.url) as opened:
        rollout = index_bench.begin(opened, index_bench.profile(scene.orders))
        side = index_bench.Side(opened, Place.source(scene.orders.url), rollout)
        assert side.apply().changed
        side.abort()
        yield
        side.undo()


@contextmanager
def unconfirmed(scene: Scene) -> Iterator[None]:
    """A rollout that its controller neither commits nor gives up."""
    controller = Controller(scene.store)
    try:
        begun = controller.try_(scene.worker, profile("waiting", guards=_UNGUARDED, **WORKING), _LONG, _LONG)
        yield
        controller.commit(begun)
    finally:
        controller.close()


@contextmanager
def unreachable(scene: Scene) -> Iterator[None]:
    """A source that resets every connection, in the middle of an extraction of it."""
    url = scene.proxy.url(scene.orders.url.rpartition("/")[2])
    definition = Definition(table="orders", chunk_rows=50)
    with Store(scene.store.url) as opened, opened.transaction():  # no job is seen before the source is away
        start(opened, open_source(url), "far", url, None, definition, Settings())
        scene.proxy.refuse()
    yield
    scene.proxy.accept()


@contextmanager
def slow_and_failing(scene: Scene) -> Iterator[None]:
    """Of a source's rows, some 100 come a second, and of its chunks half fail."""
    scene.mill.set(seconds=0.3, failing=0.03)
    scene.mill.extraction(scene.store, chunk_rows=200)
    yield
    scene.mill.set()


@contextmanager
def lagging(scene: Scene) -> Iterator[None]:
    """Somebody's transaction at the source stands open, and an incremental config gets no further."""
    with psycopg.connect(scene.orders.url) as standing:
        standing.execute("UPDATE orders SET updated_at = now() WHERE id = 1")
        _run_incremental(scene)
        yield
        _run_incremental(scene)  # a run alone does not help
        assert scene.starved.metric("extraction_watermark_lag_seconds") > 5
    _run_incremental(scene)


def _run_incremental(scene: Scene) -> None:
    """By the agents of the other store, for the first one's have enough to do."""
    definition = Definition(table="orders", watermark="updated_at")
    url = scene.orders.url
    with Store(scene.other_store.url) as opened:
        begun = start(opened, open_source(url), "incremental", url, None, definition, Settings())
        until(lambda: opened.summary(begun.extraction_id).status == "succeeded", "an incremental run")
    if begun.snapshot is not None:
        begun.snapshot.close()


@contextmanager
def starved(scene: Scene) -> Iterator[None]:
    """Both connections of a pool at a locked table, and callers waiting: the sampler that borrows one sees nothing."""
    with ThreadPoolExecutor(_CALLERS) as callers, psycopg.connect(scene.other_store.url) as blocking:
        blocking.execute("LOCK TABLE extraction_configs")
        asked = [callers.submit(scene.starved.ask, "/api/v1/configs") for _ in range(_CALLERS)]
        until(lambda: scene.starved.metric('hikari_pool_pending_connections{pool="store"}') > 0, "waiting")
        yield
        blocking.rollback()
        assert {one.result().status for one in asked} == {200}, "those who waited were served"


@contextmanager
def tampered(scene: Scene) -> Iterator[None]:
    """Somebody who owns the store's tables alters what the audit log says."""
    tamper(scene.store, "UPDATE audit_log SET who = who || '!' WHERE id = 1")
    yield
    tamper(scene.store, "UPDATE audit_log SET who = rtrim(who, '!') WHERE id = 1")


@contextmanager
def killed(scene: Scene) -> Iterator[None]:
    """An agent that nobody starts again."""
    scene.frail.process.kill()
    scene.frail.wait()
    yield
    scene.frail.start()


Cause = Callable[[Scene], AbstractContextManager[None]]
# In the order in which they can be brought about: jobs of an earlier extraction are taken first.
CAUSES: dict[Cause, set[str]] = {
    indexes_left: {"ExtractionIndexesLeft"},
    unconfirmed: {"ExtractionGenerationUnconfirmed"},
    lagging: {"ExtractionWatermarkLag"},
    tampered: {"ExtractionAuditChainBroken"},
    unreachable: {"ExtractionBreakerOpen"},
    slow_and_failing: {"ExtractionPerformanceDegraded", "ExtractionErrors"},
    killed: {"ExtractionAgentDown"},
    starved: {"ExtractionPoolExhausted", "ExtractionSamplerDown"},
}
