"""An agent's life: a worker on the queue, and four side tasks around it, each ended by nothing but a stop.

The supervisor starts the worker again when the store was away; the reaper, the reconciler and the keeper have a file
each.
"""

import asyncio
import contextlib
import gc
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from concurrent import futures
from typing import Any

import psycopg
from procrastinate import exceptions as queue_errors
from procrastinate import jobs as queue_jobs
from procrastinate.job_context import JobContext
from procrastinate.worker import Worker

from extraction_agent import deadlines, errors
from extraction_agent.jobs.admission import Admission
from extraction_agent.jobs.control import Control
from extraction_agent.jobs.copier import Copier
from extraction_agent.jobs.keeper import Keeper
from extraction_agent.jobs.places import Places, ResizableWorker
from extraction_agent.jobs.reaper import Reaper
from extraction_agent.jobs.reconciler import Reconciler
from extraction_agent.pipeline.lanes import Lanes
from extraction_agent.protect.guards import Guards
from extraction_agent.protect.threads import Threads
from extraction_agent.sources.protocol import Snapshot, Source
from extraction_agent.store import queue
from extraction_agent.store.store import Extraction

log = logging.getLogger(__name__)

_FETCHED_AHEAD = 1  # jobs that wait in the agent, so that when a chunk is done the next begins at once
_LOOK = 0.1  # s, between two looks at whether the chunks in flight are done
QUEUE_CONNECTIONS = 4  # listener apart: fetch, heartbeat, finish, reap


class Agent:
    """Copies chunks of the store's queue until it is stopped."""

    def __init__(
        self,
        store_url: str,
        open_source: Callable[[Extraction], Source],
        threads: Threads,
        chunks_in_flight: int,
        extraction_id: int | None = None,
        guards: Guards | None = None,
    ) -> None:
        """threads: chunks are copied in them, at most `chunks_in_flight` at once; others may use them too.

        extraction_id: work on this extraction only; None: on all. guards: of its databases.
        The caller closes threads and guards, once the agent has ended.
        """
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self.ended = asyncio.Event()  # an extraction that this agent worked on has ended
        self.rounds = 0  # looks after the queue so far, well or not: they grow as long as the agent moves
        self._stopping = asyncio.Event()
        self._draining = False
        self._only = extraction_id
        self._width = chunks_in_flight
        self._worker: ResizableWorker | None = None
        self._running: set[tuple[int, int]] = set()
        self._jobs: set[int] = set()  # whose task runs
        self._threads, self._room = threads, Places(chunks_in_flight)
        self._calls: set[futures.Future[bool]] = set()  # that run in the threads, or wait for one
        self._app = queue.app(store_url, QUEUE_CONNECTIONS, self._copy_chunk)
        self._control = Control(store_url, self.name, guards.store_breaker if guards else None)
        breaker = guards.breaker if guards else None
        self._lanes = Lanes(open_source, self._control.open, chunks_in_flight, breaker)
        self._keeper = Keeper(self._control, self._lanes)
        self._admission = Admission(extraction_id, lambda: self._control.run(lambda store: store.running()))
        self._copier = Copier(self._control, self._lanes, self._keeper, guards, self._admission.step_aside)
        self._reconciler = Reconciler(self._control, extraction_id, self._running)
        self._reaper = Reaper(self._app, extraction_id, self._jobs)

    def hold(self, extraction_id: int, snapshot: Snapshot, longest: float) -> None:
        """Hold a snapshot until the last chunk of its extraction is done, at most `longest` seconds."""
        self._keeper.hold(extraction_id, snapshot, longest)

    def resize(self, chunks_in_flight: int) -> None:
        """So many chunks at once from now on; those in flight are finished. From the agent's loop."""
        change = chunks_in_flight - self._width
        self._width = chunks_in_flight
        self._room.add(change)
        if self._worker is not None:
            self._worker.resize(change)
        self._lanes.resize(chunks_in_flight)

    def stop(self) -> None:
        """Let go of everything: chunks in flight go back to the queue. From the agent's loop."""
        self._control.stop.request()
        self._stopping.set()

    async def drain(self, seconds: float) -> None:
        """Begin no other chunk, finish those in flight; what is not done after `seconds` goes back to the queue."""
        deadline = time.monotonic() + seconds
        self._draining = True
        worker: Worker | None = self._worker
        if worker is not None:
            worker.shutdown_graceful_timeout = seconds
            worker.stop()
        seen_alive = time.monotonic()
        while self._running and time.monotonic() < deadline:
            await self._pause(_LOOK)
            if time.monotonic() - seen_alive > deadlines.HEARTBEAT:
                await self._sign_of_life(worker)
                seen_alive = time.monotonic()
        self.stop()

    @property
    def extractions(self) -> set[int]:
        """Those it has chunks of in hand."""
        return {extraction_id for extraction_id, _ in self._running}

    @property
    def copying(self) -> int:
        """Chunks in flight."""
        return len(self._running)

    async def run(self) -> None:
        """Work until stopped. Raises what no retry can mend."""
        asyncio.get_running_loop().set_exception_handler(_note)
        _spare_the_collector()
        tasks = [
            asyncio.create_task(self._supervise(), name="supervisor"),
            asyncio.create_task(self._every(deadlines.REAP, self._reap), name="reaper"),
            asyncio.create_task(self._every(deadlines.RECONCILE, self._reconcile), name="reconciler"),
            asyncio.create_task(self._every(deadlines.SNAPSHOT_PING, self._keep), name="keeper"),
            asyncio.create_task(self._keep_the_door(), name="door"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            self.stop()
            await asyncio.to_thread(futures.wait, list(self._calls), deadlines.LET_GO)
            _, late = await asyncio.wait(tasks, timeout=deadlines.CANCEL)
            if late:
                self._control.give_up.request()
                await asyncio.wait(late, timeout=deadlines.SHUTDOWN)
            for task in tasks:
                task.cancel()
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._control.give_up.request()
        late = futures.wait(list(self._calls), deadlines.STATEMENT).not_done
        self._keeper.close()
        if late:
            log.warning("%d chunks in flight do not end; what they still use is left to them", len(late))
        else:
            self._control.close()

    # The queue's worker

    async def _supervise(self) -> None:
        failures = 0
        while not (self._stopping.is_set() or self._draining):
            begun = time.monotonic()
            try:
                async with self._app.open_async():
                    await self._until_stopped()
            except (queue_errors.ProcrastinateException, psycopg.Error, OSError) as error:
                log.warning("the queue's worker ended and starts again: %s", error)
                self._reaper.note_store(away=True)
                await self._app.close_async()  # a pool that could not be opened would be used once more
            failures = 0 if time.monotonic() - begun > deadlines.STALLED else failures + 1
            await self._pause(queue.delay_after(min(failures, 3)))

    async def _until_stopped(self) -> None:
        """Run the queue's worker until it ends by itself, or end it on a stop."""
        self._worker = ResizableWorker(
            self._app,
            queues=None if self._only is None else [queue.queue_of(self._only)],
            name=self.name,
            concurrency=self._width + _FETCHED_AHEAD,
            fetch_job_polling_interval=deadlines.POLL,
            shutdown_graceful_timeout=deadlines.SHUTDOWN,
            update_heartbeat_interval=deadlines.HEARTBEAT,
            delete_jobs=queue_jobs.DeleteJobCondition.SUCCESSFUL,
            install_signal_handlers=False,
        )
        worker: Worker = self._worker
        running = asyncio.create_task(worker.run(), name="worker")
        stopping = asyncio.create_task(self._stopping.wait(), name="stopping")
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        worker.stop()
        await running

    async def _copy_chunk(self, context: JobContext, extraction_id: int, chunk_no: int) -> None:
        """The task. A job that comes while this agent already runs the chunk is a stale hint."""
        pair = (extraction_id, chunk_no)
        if pair in self._running:
            return
        job_id = context.job.id
        assert job_id is not None
        self._running.add(pair)
        self._jobs.add(job_id)
        try:
            if await asyncio.shield(await self._begin(pair)):
                self.ended.set()
        finally:
            self._jobs.discard(job_id)
            self._choose_queues()  # before the worker fetches in this one's place

    async def _begin(self, pair: tuple[int, int]) -> asyncio.Future[bool]:
        """Have a thread copy the chunk when there is room. It is in flight until the thread has done with it."""
        try:
            await self._room.acquire()
        except asyncio.CancelledError:
            self._running.discard(pair)
            raise
        if self._draining or self._stopping.is_set():
            self._leave(pair)
            raise queue.Again
        try:
            call = self._threads.submit(self._copier.copy, *pair)
        except errors.Busy as busy:
            self._leave(pair)
            raise queue.Again(busy.retry_after) from busy
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        copied = asyncio.wrap_future(call)
        copied.add_done_callback(lambda _: self._leave(pair))
        return copied

    def _leave(self, pair: tuple[int, int]) -> None:
        self._running.discard(pair)
        self._room.release()

    async def _sign_of_life(self, worker: Worker | None) -> None:
        """In the place of a worker that gives none while it ends: chunks in flight would be handed on."""
        if worker is not None and worker.worker_id is not None:
            alive = self._app.job_manager.update_heartbeat(worker.worker_id)
            with contextlib.suppress(queue_errors.ProcrastinateException, TimeoutError):
                await asyncio.wait_for(alive, deadlines.HEARTBEAT)

    # Side tasks

    async def _every(self, seconds: float, action: Callable[[], Awaitable[None]]) -> None:
        """Run an action again and again; a store that is away is met by patience."""
        while not self._stopping.is_set():
            try:
                await action()
            except (errors.StoreUnavailable, queue_errors.ConnectorException) as error:
                self._reaper.note_store(away=True)
                log.info("%s", error)
            except (queue_errors.AppNotOpen, errors.Cancelled):
                pass  # between two rounds of the supervisor, or at the end
            await self._pause(seconds)

    async def _reap(self) -> None:
        try:
            await self._reaper.reap(None if self._worker is None else self._worker.worker_id)
        finally:
            self.rounds += 1

    async def _reconcile(self) -> None:
        await asyncio.to_thread(self._reconciler.reconcile)

    async def _keep(self) -> None:
        await asyncio.to_thread(self._keeper.keep)

    async def _keep_the_door(self) -> None:
        """While a source is out of reach or has no room, fetch jobs of others; look often for when it has room."""
        looked = 0.0
        while not self._stopping.is_set():
            if self._admission.waits and time.monotonic() - looked > deadlines.RECONCILE:
                with contextlib.suppress(errors.StoreUnavailable, errors.Cancelled):
                    await asyncio.to_thread(self._admission.look)
                looked = time.monotonic()
            self._choose_queues()
            await self._pause(deadlines.ROOM if self._admission.crowded else deadlines.POLL)

    def _choose_queues(self) -> None:
        if self._worker is not None:
            self._worker.queues = self._admission.queues()
            self._worker.fetch_job_polling_interval = deadlines.ROOM if self._admission.crowded else deadlines.POLL

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody waited for: a job whose end could not be recorded. The reaper hands it on."""
    log.info("%s: %s", context.get("message"), context.get("exception"))


def _spare_the_collector() -> None:
    """Rows pass by as short-lived tuples without cycles: walking everything else for each 700 of them took 40 %."""
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)
