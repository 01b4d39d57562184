"""Hands on jobs that nobody runs any more: those of dead agents, and our own whose end was not recorded."""

import time
from collections.abc import Set as AbstractSet

import procrastinate
from procrastinate import exceptions as queue_errors
from procrastinate import jobs as queue_jobs

from extraction_agent import deadlines
from extraction_agent.store import queue

_OWN = 2  # rounds from one look at this agent's own jobs to the next: what is lost there is rare, and idle costs


class Reaper:
    """One round after another, on the agent's loop."""

    def __init__(self, app: procrastinate.App, only: int | None, running: AbstractSet[int]) -> None:
        """only: look at this extraction's jobs; None: at all. running: jobs at work here, kept by the agent."""
        self._app, self._running = app, running
        self._queue = None if only is None else queue.queue_of(only)
        self._suspects: set[int] = set()  # jobs said to run here that the last look did not find running
        self._rounds = 0
        self._store_away = False
        self._store_back_since = time.monotonic() - 2 * deadlines.HEARTBEAT

    def note_store(self, *, away: bool) -> None:
        """The agent's tasks found the store away, or this one found it there."""
        if self._store_away and not away:
            self._store_back_since = time.monotonic()
        self._store_away = away

    async def reap(self, worker_id: int | None) -> None:
        """worker_id: of the agent's worker. Silent until every agent had time for a sign of life after an outage."""
        if self._store_away or time.monotonic() - self._store_back_since < 2 * deadlines.HEARTBEAT:
            await self._app.check_connection_async()
            self.note_store(away=False)
            return
        for job in await self._app.job_manager.get_stalled_jobs(
            queue=self._queue, task_name=queue.TASK, seconds_since_heartbeat=deadlines.STALLED
        ):
            await self._hand_on(job)
        self._rounds += 1
        if worker_id is not None and self._rounds % _OWN == 0:
            await self._reap_own(worker_id)

    async def _reap_own(self, worker_id: int) -> None:
        """Hand on jobs that are said to run here and do not: the connection that should have ended them broke.

        Only those that two looks in a row did not find running: a job is fetched before its task begins.
        """
        listed = await self._app.job_manager.list_jobs_async(status="doing", worker_id=worker_id)
        idle = {job.id: job for job in listed if job.id is not None and job.id not in self._running}
        for job_id in self._suspects & idle.keys():
            await self._hand_on(idle[job_id])
        self._suspects = set(idle) - self._suspects

    async def _hand_on(self, job: queue_jobs.Job) -> None:
        assert job.id is not None
        manager = self._app.job_manager
        try:
            try:
                await manager.retry_job(job)
            except queue_errors.UniqueViolation:  # another job already waits for the same chunk
                await manager.finish_job_by_id_async(job.id, queue_jobs.Status.FAILED, delete_job=True)
        except queue_errors.ConnectorException as error:
            if not queue.is_refusal(error):  # it has ended meanwhile, or another agent was first
                raise
