"""One agent: a worker on the store's queue, and what keeps it and its neighbours honest.

Four side tasks stand around the queue's worker, each ended by nothing but a stop:
  the supervisor starts the worker again when the store was away;
  the reaper hands on the jobs of agents that gave no sign of life;
  the reconciler defers chunks that have no job and finishes extractions whose last agent died;
  the keeper holds snapshots and lets go of them in time.
"""

import asyncio
import contextlib
import gc
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from procrastinate import exceptions as queue_errors
from procrastinate import jobs as queue_jobs
from procrastinate.job_context import JobContext
from procrastinate.worker import Worker

from extraction_agent import deadlines, errors
from extraction_agent.model import Chunk, Status
from extraction_agent.pipeline import commit, old_way
from extraction_agent.pipeline.lanes import Lanes
from extraction_agent.pipeline.start import renew
from extraction_agent.sources.protocol import Snapshot, Source
from extraction_agent.store import queue
from extraction_agent.store.store import Extraction, Store
from extraction_agent.waiting import Stop, ended_by

log = logging.getLogger(__name__)
T = TypeVar("T")

_FETCHED_AHEAD = 1  # jobs that wait in the agent, so that a thread that has done a chunk begins the next at once
MOST_FAILURES = 8  # of one chunk, then its extraction fails: some 90 s of back-off
_QUEUE_CONNECTIONS = 4  # listener apart: fetch, heartbeat, finish, reap


@dataclass(slots=True)
class _Held:
    """A snapshot this agent holds for an extraction."""

    snapshot: Snapshot
    since: float
    longest: float  # s


class Agent:
    """Copies chunks of the store's queue until it is stopped."""

    def __init__(
        self,
        store_url: str,
        open_source: Callable[[Extraction], Source],
        chunks_in_flight: int,
        extraction_id: int | None = None,
    ) -> None:
        """extraction_id: work on this extraction only; None: on all."""
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self._store_url = store_url
        self._only = extraction_id
        self._width = chunks_in_flight
        self._lanes = Lanes(open_source, self._open_store)
        self._stop = Stop()  # ends relays and what belongs to them
        self._give_up = Stop()  # ends what cleans up after them
        self.ended = asyncio.Event()  # an extraction that this agent worked on has ended
        self._stopping = asyncio.Event()
        self._worker: Worker | None = None
        self._running: set[tuple[int, int]] = set()
        self._jobs: set[int] = set()  # whose task runs
        self._suspects: set[int] = set()  # jobs said to run here that the last round did not find running
        self._held: dict[int, _Held] = {}
        self._control: Store | None = None
        self._control_lock = threading.Lock()
        self._store_back_since = time.monotonic() - 2 * deadlines.HEARTBEAT
        self._store_away = False
        self._threads = ThreadPoolExecutor(chunks_in_flight, "extraction", initializer=_name_thread)
        self._app = queue.app(store_url, _QUEUE_CONNECTIONS, self._copy_chunk)

    def hold(self, extraction_id: int, snapshot: Snapshot, longest: float) -> None:
        """Hold a snapshot until its extraction ends, at most `longest` seconds."""
        lost = self._held.pop(extraction_id, None)
        if lost is not None:
            lost.snapshot.close()
        self._held[extraction_id] = _Held(snapshot, time.monotonic(), longest)

    def stop(self) -> None:
        """Let go of everything: chunks in flight go back to the queue. From the agent's loop."""
        self._stop.request()
        self._stopping.set()

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
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            self.stop()
            _, late = await asyncio.wait(tasks, timeout=deadlines.CANCEL)
            if late:
                self._give_up.request()
                await asyncio.wait(late, timeout=deadlines.SHUTDOWN)
            for task in tasks:
                task.cancel()
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._give_up.request()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._lanes.forget()
        for held in self._held.values():
            held.snapshot.close()
        if self._control is not None:
            self._control.close()
        self._stop.close()
        self._give_up.close()

    # The queue's worker

    async def _supervise(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                async with self._app.open_async():
                    await self._until_stopped()
            except (queue_errors.ProcrastinateException, OSError) as error:
                log.warning("the queue's worker ended and starts again: %s", error)
                self._note_store(away=True)
            failures = 0 if time.monotonic() - begun > deadlines.STALLED else failures + 1
            await self._pause(queue.delay_after(min(failures, 3)))

    async def _until_stopped(self) -> None:
        """Run the queue's worker until it ends by itself, or end it on a stop."""
        self._worker = worker = Worker(
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
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._copy, extraction_id, chunk_no)
        future.add_done_callback(lambda _: self._running.discard(pair))
        try:
            if await asyncio.shield(future):
                self.ended.set()
        finally:
            self._jobs.discard(job_id)

    def _copy(self, extraction_id: int, chunk_no: int) -> bool:
        """Copy one chunk, in a thread. Returns whether its extraction has ended; raises Again for another try."""
        try:
            extraction = self._with_store(lambda store: store.extraction(extraction_id))
        except errors.StoreUnavailable as error:
            raise queue.Again(deadlines.POLL) from error
        except errors.UsageError:
            return True  # pruned
        if extraction.status is not Status.RUNNING:
            return True
        try:
            with ended_by(self._stop):
                return self._copy_in_lane(extraction, chunk_no)
        except errors.Fenced as fenced:
            log.info("%s", fenced)
            self._give_back(extraction_id, chunk_no, None)
            return False
        except errors.SnapshotLost as lost:
            self._renew(extraction)
            raise queue.Again from lost
        except errors.Cancelled as cancelled:
            self._give_back(extraction_id, chunk_no, None)
            raise queue.Again from cancelled
        except errors.ExtractionError as error:
            self._failed(extraction, chunk_no, error)
        except Exception as error:
            log.debug("a fault of the program", exc_info=True)
            fault = errors.SourceUnavailable(f"a fault of this program, {type(error).__name__}: {error}.")
            self._failed(extraction, chunk_no, fault)
        return True

    def _copy_in_lane(self, extraction: Extraction, chunk_no: int) -> bool:
        lane = self._lanes.take(extraction)
        try:
            if extraction.plan.method == "pages":
                source = self._lanes.source(extraction)
                old_way.copy_chunk(extraction, chunk_no, source, lane.store, self.name, self._stop)
                return True
            copied = commit.copy_chunk(extraction, chunk_no, lane.session, lane.store, self.name, self._stop)
            if copied is None:
                return False
            return extraction.part is None or self._finish(lane.store, extraction.id)
        finally:
            self._lanes.give_back(lane)

    def _finish(self, store: Store, extraction_id: int) -> bool:
        """Finish an extraction whose chunks are done; what no retry can mend fails it. Returns whether it ended."""
        try:
            return store.finish(extraction_id)
        except errors.StoreError as error:
            if error.transient:
                raise
            message = f"Every chunk is done, but the store refused to index and attach them: {error}"
            self._with_store(lambda control: control.end(extraction_id, Status.FAILED, message))
            return True

    def _failed(self, extraction: Extraction, chunk_no: int, error: errors.ExtractionError) -> None:
        """Try again, or fail the extraction, whichever this error asks for."""
        failures = self._give_back(extraction.id, chunk_no, str(error))
        if error.transient and failures < MOST_FAILURES:
            log.warning("chunk %s of extraction %s is tried again: %s", chunk_no, extraction.id, error)
            raise queue.Again(queue.delay_after(max(failures, 1))) from error
        times = f" for the {failures}th time" if error.transient else ""
        chunk = self._with_store(lambda store: store.chunk(extraction.id, chunk_no))
        message = f"Chunk {chunk_no} ({describe(chunk)}) failed{times}: {error}"
        self._with_store(lambda store: store.end(extraction.id, Status.FAILED, message))

    def _give_back(self, extraction_id: int, chunk_no: int, error: str | None) -> int:
        """Record the end of an attempt. Returns the chunk's failures; 0 while the store is away."""
        try:
            return self._with_store(lambda store: store.release(extraction_id, chunk_no, self.name, error))
        except (errors.StoreUnavailable, errors.Cancelled):
            return 0  # the claim of the next attempt ends what is left of this one

    def _renew(self, extraction: Extraction) -> None:
        self._lanes.forget(extraction.id)
        try:
            with ended_by(self._stop), self._open_store() as store:
                snapshot = renew(store, self._lanes.source(extraction), extraction)
        except errors.Cancelled as cancelled:
            raise queue.Again from cancelled
        except errors.ExtractionError as error:
            if error.transient:
                raise queue.Again(deadlines.POLL) from error
            message = f"The snapshot was lost and another could not be taken: {error}"
            self._with_store(lambda store: store.end(extraction.id, Status.FAILED, message))
            return
        if snapshot is not None:
            self.hold(extraction.id, snapshot, extraction.config.definition.snapshot_max_seconds)

    # Side tasks

    async def _every(self, seconds: float, action: Callable[[], "asyncio.Future[None] | object"]) -> None:
        """Run an action again and again; a store that is away is met by patience."""
        while not self._stopping.is_set():
            try:
                result = action()
                if asyncio.iscoroutine(result):
                    await result
                self._note_store(away=False)
            except (errors.StoreUnavailable, queue_errors.ConnectorException) as error:
                self._note_store(away=True)
                log.info("%s", error)
            except (queue_errors.AppNotOpen, errors.Cancelled):
                pass  # between two rounds of the supervisor, or at the end
            await self._pause(seconds)

    def _note_store(self, *, away: bool) -> None:
        if self._store_away and not away:
            self._store_back_since = time.monotonic()
        self._store_away = away

    async def _reap(self) -> None:
        """Hand on jobs of dead agents; silent until every agent had time for a sign of life after an outage."""
        if self._store_away or time.monotonic() - self._store_back_since < 2 * deadlines.HEARTBEAT:
            await self._app.check_connection_async()
            return
        manager = self._app.job_manager
        queue_name = None if self._only is None else queue.queue_of(self._only)
        for job in await manager.get_stalled_jobs(
            queue=queue_name, task_name=queue.TASK, seconds_since_heartbeat=deadlines.STALLED
        ):
            await self._hand_on(job)
        await self._reap_own()

    async def _reap_own(self) -> None:
        """Hand on jobs that are said to run here and do not: the connection that should have ended them broke.

        Only those that two rounds in a row did not find running: a job is fetched before its task begins.
        """
        worker_id = None if self._worker is None else self._worker.worker_id
        if worker_id is None:
            return
        listed = await self._app.job_manager.list_jobs_async(status="doing", worker_id=worker_id)
        idle = {job.id: job for job in listed if job.id is not None and job.id not in self._jobs}
        for job_id in self._suspects & idle.keys():
            await self._hand_on(idle[job_id])
        self._suspects = set(idle) - self._suspects

    async def _hand_on(self, job: queue_jobs.Job) -> None:
        assert job.id is not None
        manager = self._app.job_manager
        try:
            await manager.retry_job(job)
        except queue_errors.UniqueViolation:  # another job already waits for the same chunk
            await manager.finish_job_by_id_async(job.id, queue_jobs.Status.FAILED, delete_job=True)
        except queue_errors.ConnectorException as error:
            if not queue.is_refusal(error):  # it has ended meanwhile, or another agent was first
                raise

    async def _reconcile(self) -> None:
        await asyncio.to_thread(self._reconcile_in_thread)

    def _reconcile_in_thread(self) -> None:
        for extraction_id in self._with_store(lambda store: store.complete(self._only)):
            with ended_by(self._stop), self._open_store() as store:  # of its own: to index a part takes long
                self._finish(store, extraction_id)
        self._with_store(self._defer_orphans)

    def _defer_orphans(self, store: Store) -> None:
        orphans = [pair for pair in store.orphans(self._only) if pair not in self._running]
        if orphans:
            with contextlib.suppress(queue_errors.AlreadyEnqueued), store.transaction():  # another agent was first
                queue.defer(store.connection, orphans)

    async def _keep(self) -> None:
        await asyncio.to_thread(self._keep_in_thread)

    def _keep_in_thread(self) -> None:
        for extraction_id, held in list(self._held.items()):
            if self._stands(extraction_id, held):
                continue
            held.snapshot.close()
            if self._held.get(extraction_id) is held:  # not renewed meanwhile
                del self._held[extraction_id]
            self._lanes.forget(extraction_id)

    def _stands(self, extraction_id: int, held: _Held) -> bool:
        """Whether a snapshot is still needed, alive and young enough; too old a one fails its extraction."""
        status = self._with_store(lambda store: store.status(extraction_id))
        if status is None or status.final or not held.snapshot.alive:
            return False
        if time.monotonic() - held.since <= held.longest:
            return True
        message = (
            f"The snapshot at the source stood for {held.longest:g} s, the longest allowed, and was let go. "
            "Allow more with --snapshot-max-seconds, or use --consistency chunk."
        )
        self._with_store(lambda store: store.end(extraction_id, Status.FAILED, message))
        return False

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    # The store

    def _open_store(self) -> Store:
        return Store(self._store_url, f"extraction-agent {self.name}")

    def _with_store(self, action: Callable[[Store], T]) -> T:
        """Run a short action on the one connection for such, opened when needed."""
        with self._control_lock, ended_by(self._give_up):
            if self._control is None or not self._control.usable:
                if self._control is not None:
                    self._control.close()
                self._control = self._open_store()
            return action(self._control)


def _note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody waited for: a job whose end could not be recorded. The reaper hands it on."""
    log.info("%s: %s", context.get("message"), context.get("exception"))


def _spare_the_collector() -> None:
    """Rows pass by as short-lived tuples without cycles: walking everything else for each 700 of them took 40 %."""
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)


def _name_thread() -> None:
    thread = threading.current_thread()
    thread.name = f"extraction-{int(thread.name.rsplit('_', 1)[1]) + 1}"


def describe(chunk: Chunk) -> str:
    """A chunk's range in words."""
    part = f"{chunk.part}, " if chunk.part else ""
    if chunk.low is None and chunk.high is None:
        return part + "everything"
    low = "the beginning" if chunk.low is None else ", ".join(chunk.low)
    high = "the end" if chunk.high is None else ", ".join(chunk.high)
    return f"{part}from {low} to {high}"
