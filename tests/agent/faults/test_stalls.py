"""A server that stalls freezes nothing else in the process; a stop ends the wait, and so does a deadline."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import LiteralString

import pytest

from agent.faults.gate import GATED, Gate
from agent.faults.harness import Bench, check_rows, rows, until
from agent.faults.ticker import TICK, TICKING
from extraction_agent import deadlines
from extraction_agent.jobs import Agent
from extraction_agent.model import Definition
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.protect.threads import Threads
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store

IN_FLIGHT = 8
CHUNKS = 12
MOST = 0.05  # s that a tick may be late
_TICKER = Path(__file__).parent / "ticker.py"

COPIES: LiteralString = (
    "SELECT pid FROM pg_stat_activity "
    "WHERE application_name LIKE 'extraction-agent%' AND state = 'active' AND query LIKE 'COPY%'"
)


class Run:
    """An extraction by an agent in a thread of this process, and its event loop's ticker."""

    def __init__(self, bench: Bench, before: "Run | None" = None) -> None:
        """before: go on with the extraction of a run that was stopped."""
        self.bench = bench
        self._source = open_source(bench.source.url())
        self.store_url: str = before.store_url if before else bench.store.url(bench.new_store())
        if before is None:
            with Store(self.store_url) as store:
                definition = Definition(table="gated", chunk_rows=bench.rows // CHUNKS)
                start(store, self._source, "point", bench.source.url(), None, definition, Settings())
        self._ready = threading.Event()
        self.late: list[tuple[float, float]] = []  # when, and by how much
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()))

    async def _work(self) -> None:
        self.loop = asyncio.get_running_loop()
        with closing(Threads(IN_FLIGHT, IN_FLIGHT, 0)) as threads:
            self.agent = Agent(self.store_url, lambda _: self._source, threads, IN_FLIGHT)
            self._ready.set()
            ticker = asyncio.create_task(self._tick())
            await self.agent.run()
        ticker.cancel()

    async def _tick(self) -> None:
        while True:
            due = time.monotonic() + TICK
            await asyncio.sleep(TICK)
            now = time.monotonic()
            self.late.append((now, now - due))

    def __enter__(self) -> "Run":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()

    def stop(self) -> None:
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.agent.stop)

    def ended(self) -> bool:
        return not self._thread.is_alive()

    def latest(self, begin: float, end: float) -> float:
        """The latest tick of a period."""
        return max(late for at, late in self.late if begin <= at <= end)

    def busy(self) -> int:
        return int(rows(self.store_url, "SELECT count(*) FROM extraction_chunks WHERE state = 'running'")[0][0])

    def done(self) -> int:
        return int(rows(self.store_url, "SELECT count(*) FROM extraction_chunks WHERE state = 'done'")[0][0])

    def status(self) -> str:
        return str(rows(self.store_url, "SELECT status FROM extractions")[0][0])


@contextmanager
def stalled(pids: list[int]) -> Iterator[None]:
    """Backends that are stopped, as a server without a disk or a network would seem."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def stalled_amid_chunks(run: "Run", gate: Gate, side: str) -> Iterator[None]:
    """Every hand is in the middle of a chunk, and the backends that copy on one side are stopped."""
    pids = gate.wait_for(IN_FLIGHT)
    if side == "store":
        pids = [row[0] for row in rows(run.store_url, COPIES)]
    assert len(pids) == IN_FLIGHT
    with stalled(pids):
        gate.open()
        yield


@contextmanager
def _ticker_beside() -> Iterator[Callable[[], float]]:
    """In a process that does nothing else. Yields what ends it and tells how late the machine has made its ticks."""
    with subprocess.Popen(
        [sys.executable, _TICKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == TICKING
        yield lambda: float(process.communicate()[0])


@pytest.mark.ci
@pytest.mark.parametrize("side", ["source", "store"])
def test_a_stall_freezes_nothing_else(bench: Bench, side: str) -> None:
    with Gate(bench) as gate, Run(bench) as run:
        with stalled_amid_chunks(run, gate, side):
            time.sleep(0.2)  # what was on its way has arrived
            with _ticker_beside() as beside:
                begun, done = time.monotonic(), run.done()
                time.sleep(10)
                worst = run.latest(begun, time.monotonic())
                alone = beside()
            assert run.done() == done, "nothing stalled"
            assert run.busy() == IN_FLIGHT
        print(f"\n{side} stalled for 10 s: the latest tick by {worst * 1e3:.1f} ms; without work {alone * 1e3:.1f} ms")
        until(lambda: run.status() == "succeeded", 60)
    check_rows(bench, GATED, run.store_url)
    assert worst <= max(MOST, 3 * alone)


@pytest.mark.parametrize("side", ["source", "store"])
def test_a_stop_ends_the_work_while_a_server_stalls(bench: Bench, side: str) -> None:
    with Gate(bench) as gate, Run(bench) as run:
        with stalled_amid_chunks(run, gate, side):
            time.sleep(0.5)
            begun = time.monotonic()
            run.stop()
            until(lambda: not run.agent.copying)
            let_go = time.monotonic() - begun
            until(run.ended)
            ended = time.monotonic() - begun
        print(f"\n{side} stalled: relays let go after {let_go:.2f} s, the agent ended after {ended:.2f} s")
        assert let_go < 3 * deadlines.CANCEL
        assert run.status() == "running"
    with Run(bench, run) as again:
        until(lambda: again.status() == "succeeded", 60)
    check_rows(bench, GATED, run.store_url)


@pytest.mark.parametrize("side", ["source", "store"])
def test_a_stall_beyond_the_deadline_is_tried_again(bench: Bench, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "STALL", 1.0)
    with Gate(bench) as gate, Run(bench) as run:
        with stalled_amid_chunks(run, gate, side):
            told = "not a byte"
            until(lambda: rows(run.store_url, "SELECT FROM extraction_chunks WHERE error LIKE %s", f"%{told}%") != [])
        until(lambda: run.status() == "succeeded", 60)
    check_rows(bench, GATED, run.store_url)
    assert rows(run.store_url, "SELECT max(attempt) > 1 FROM extraction_chunks") == [(True,)]
