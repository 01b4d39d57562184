"""The job queue in the store: one task, `copy_chunk`, and how its jobs are deferred.

Chunk state is the truth, jobs are hints: a job that comes twice finds its chunk done, one that never comes is
deferred again by the reconciler.
"""

import random
import select
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import procrastinate
import psycopg
import psycopg_pool
from procrastinate import exceptions as queue_errors
from procrastinate import jobs as queue_jobs
from procrastinate import manager, retry
from procrastinate.job_context import JobContext
from procrastinate.sync_psycopg_connector import SyncPsycopgConnector

from extraction_agent import deadlines, postgres, sql
from extraction_agent.store.reporting import forget, report

TASK = "copy_chunk"
_QUERIES = "extraction_agent.store.queries"
_LONGEST_DELAY = 30.0  # s

CopyChunk = Callable[[JobContext, int, int], Awaitable[None]]


class Again(Exception):
    """The chunk should be tried again after `delay` seconds."""

    def __init__(self, delay: float = 0.0) -> None:
        super().__init__(f"again in {delay:.1f} s")
        self.delay = delay


def delay_after(failures: int) -> float:
    """Seconds to wait after the n-th failure: doubling from 0.5, half to one and a half times that."""
    return min(0.5 * 2.0 ** max(failures - 1, 0), _LONGEST_DELAY) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter


class _Retry(retry.BaseRetryStrategy):
    """Whatever ends a job early sends it back: chunk state, not the queue, says when to give up."""

    def get_retry_decision(self, *, exception: BaseException, job: queue_jobs.Job) -> retry.RetryDecision:
        del job
        delay = 0.0  # a stop: the job goes back at once
        if isinstance(exception, Again):
            delay = exception.delay
        elif isinstance(exception, Exception):  # none of ours (the store refused to note a failure, say): not in a spin
            delay = deadlines.POLL
        return retry.RetryDecision(retry_in={"milliseconds": int(delay * 1000)})


def queue_of(extraction_id: int) -> str:
    """One queue per extraction, so that a command works on its own only; a daemon takes all."""
    return f"extraction-{extraction_id}"


class _Pool(psycopg_pool.AsyncConnectionPool):
    """The queue's own few connections, reported like any pool's."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "configure": _configure, "check": _check})

    async def open(self, *args: Any, **options: Any) -> None:
        def measure(name: str) -> Callable[[], float]:
            return lambda: self.get_stats()[name]

        report(
            self.name,
            active=lambda: measure("pool_size")() - measure("pool_available")(),
            idle=measure("pool_available"),
            pending=measure("requests_waiting"),
            maximum=measure("pool_max"),
            minimum=measure("pool_min"),
        )
        await super().open(*args, **{"timeout": deadlines.CONNECT, **options})  # no try is made after that

    async def close(self, *args: Any, **options: Any) -> None:
        forget(self.name)
        await super().close(*args, **options)


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    """Each of its transactions is one statement: BEGIN and COMMIT around it would be two more.

    Pinned as the store's other sessions are: at `repeatable read`, two agents that fetch at once would fail.
    """
    await connection.set_autocommit(True)
    await connection.execute(sql.load(_QUERIES, "session"))


async def _check(connection: psycopg.AsyncConnection[Any]) -> None:
    """A server says nothing unasked but that it ends: asked before every statement, it would answer as often again."""
    said_something = select.poll()
    said_something.register(connection.fileno(), select.POLLIN)
    if said_something.poll(0):
        await psycopg_pool.AsyncConnectionPool.check_connection(connection)


def app(conninfo: str, connections: int, copy_chunk: CopyChunk) -> procrastinate.App:
    """The Procrastinate app of one agent."""
    connector = procrastinate.PsycopgConnector(
        pool_factory=_Pool,
        conninfo=conninfo,
        name="queue",
        min_size=1,
        max_size=connections,
        timeout=deadlines.CONNECT,
        reconnect_timeout=deadlines.CONNECT,
        kwargs={"application_name": "extraction-agent queue", **postgres.NETWORK},
    )
    made = procrastinate.App(connector=connector)
    made.task(name=TASK, retry=_Retry(), pass_context=True)(copy_chunk)
    return made


def is_refusal(error: queue_errors.ConnectorException) -> bool:
    """Whether the queue answered that the job is not in the state for it; otherwise the store is away."""
    return isinstance(error.__cause__, psycopg.errors.RaiseException)


def defer(connection: postgres.Connection, chunks: Iterable[tuple[int, int]]) -> None:
    """Add jobs for (extraction, chunk) pairs, in the caller's transaction. Raises psycopg.Error, AlreadyEnqueued."""
    waiting = [
        queue_jobs.Job(
            id=None,
            queue=queue_of(extraction_id),
            lock=None,
            queueing_lock=f"{extraction_id}/{chunk_no}",
            task_name=TASK,
            task_kwargs={"extraction_id": extraction_id, "chunk_no": chunk_no},
        )
        for extraction_id, chunk_no in chunks
    ]
    if waiting:
        try:
            manager.JobManager(SyncPsycopgConnector()).batch_defer_jobs(waiting, connection=connection)
        except queue_errors.ConnectorException as error:  # it says nothing; the driver's does
            raise error.__cause__ or error from None
