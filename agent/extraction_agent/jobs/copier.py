"""Copies one chunk, in a thread, and decides what becomes of its job: done, tried again, or the extraction fails."""

import logging
from collections.abc import Callable

from extraction_agent import deadlines, errors, waits
from extraction_agent.jobs.control import Control
from extraction_agent.jobs.keeper import Keeper
from extraction_agent.model import Plan, Status
from extraction_agent.observe import logs, metrics
from extraction_agent.observe.throughput import of_this_agent
from extraction_agent.pipeline import commit, old_way
from extraction_agent.pipeline.lanes import Lane, Lanes, NotReached
from extraction_agent.pipeline.start import renew
from extraction_agent.protect.guard import Guard
from extraction_agent.protect.guards import Guards, NoRoom
from extraction_agent.protect.pace import Pace
from extraction_agent.store import queue
from extraction_agent.store.store import Extraction
from extraction_agent.waiting import ended_by

log = logging.getLogger(__name__)

MOST_FAILURES = 8  # of one chunk, then its extraction fails: some 90 s of back-off


class Copier:
    """What an agent's threads do. Safe for many of them."""

    def __init__(
        self,
        control: Control,
        lanes: Lanes,
        keeper: Keeper,
        guards: Guards | None = None,
        step_aside: Callable[[int, float, Guard | None], None] = lambda *_: None,
    ) -> None:
        """step_aside: told which extraction cannot be worked on here, for how many seconds, and whose room it needs."""
        self._control, self._lanes, self._keeper = control, lanes, keeper
        self._guards, self._step_aside = guards, step_aside

    def copy(self, extraction_id: int, chunk_no: int) -> bool:
        """Copy one chunk. Returns whether its extraction has ended; raises Again for another try."""
        with logs.about(extraction_id):
            return self._copy(extraction_id, chunk_no)

    def _copy(self, extraction_id: int, chunk_no: int) -> bool:
        extraction = self._running(extraction_id)
        if extraction is None:
            return True
        try:
            with ended_by(self._control.stop), waits.counted():
                with of_this_agent.busy(_expected(extraction.plan)):
                    nothing_left = self._copy_in_lane(extraction, chunk_no)
                return nothing_left and self._finish(extraction)  # no chunk is in flight then: no record moves
        except errors.Fenced as fenced:
            log.info("%s", fenced)
            metrics.CHUNKS.labels("fenced").inc()
            self._give_back(extraction_id, chunk_no, None)
            return False
        except errors.SnapshotLost as lost:
            metrics.error(lost)
            metrics.CHUNKS.labels("given_back").inc()
            if self._renew(extraction):
                raise queue.Again from lost
        except errors.Cancelled as cancelled:
            metrics.CHUNKS.labels("given_back").inc()
            self._give_back(extraction_id, chunk_no, None)
            raise queue.Again from cancelled
        except errors.ExtractionError as error:
            return self._failed(extraction, chunk_no, error)
        except Exception as error:
            log.debug("a fault of the program", exc_info=True)
            return self._failed(extraction, chunk_no, errors.Fault(error))
        return True

    def _running(self, extraction_id: int) -> Extraction | None:
        """None: it has ended, or ends here because nobody can read it."""
        try:
            extraction = self._control.run(lambda store: store.extraction(extraction_id))
        except errors.StoreUnavailable as error:
            metrics.error(error)
            raise queue.Again(deadlines.POLL) from error
        except errors.UsageError:
            return None  # pruned
        except errors.Unreadable as error:
            self._control.fail(extraction_id, str(error))
            return None
        return extraction if extraction.status is Status.RUNNING else None

    def _copy_in_lane(self, extraction: Extraction, chunk_no: int) -> bool:
        """Returns whether nothing is left to be copied."""
        if self._guards is None:
            return self._copy_at(extraction, chunk_no, None)
        with self._guards.copying(self._lanes.source(extraction), self._control.stop) as pace:
            return self._copy_at(extraction, chunk_no, pace)

    def _copy_at(self, extraction: Extraction, chunk_no: int, pace: Pace | None) -> bool:
        lane = self._lanes.take(extraction) if pace is None else self._lanes.take(extraction, pace.spares)
        try:
            ended = self._copy_by(lane, extraction, chunk_no, pace)
        except BaseException:
            self._lanes.give_back(lane, failed=True)
            raise
        self._lanes.give_back(lane)
        return ended

    def _copy_by(self, lane: Lane, extraction: Extraction, chunk_no: int, pace: Pace | None) -> bool:
        agent, stop = self._control.agent, self._control.stop
        if extraction.plan.method == "pages":
            source = self._lanes.source(extraction)
            if old_way.copy_chunk(extraction, chunk_no, source, lane.store, agent, stop) is not None:
                metrics.CHUNKS.labels("done").inc()
            return True
        copied = commit.copy_chunk(extraction, chunk_no, lane.session, lane.store, agent, stop, pace)
        if copied is None:
            return False
        metrics.CHUNKS.labels("done").inc()
        return extraction.part is None or not lane.store.needs_source(extraction.id)

    def _finish(self, extraction: Extraction) -> bool:
        """Every chunk is done. To index takes long: no lane is kept for that, nor the room of one at the source."""
        if extraction.part is None:  # it has ended with its one chunk
            return True
        self._lanes.forget(extraction.id)
        with self._control.open() as store:
            return self._control.finish(store, extraction.id)

    def _failed(self, extraction: Extraction, chunk_no: int, error: errors.ExtractionError) -> bool:
        """Try again, or fail the extraction, whichever this error asks for. Returns whether it has ended."""
        self._put_off(extraction, chunk_no, error)
        if isinstance(error, NotReached):
            self._not_reached(extraction, chunk_no, error)
            return True
        metrics.error(error)
        failures = self._give_back(extraction.id, chunk_no, str(error))
        if failures is None:  # its backend was ended by who took it over; another job would take it from that one
            log.info("chunk %s of extraction %s was taken over: %s", chunk_no, extraction.id, error)
            metrics.CHUNKS.labels("fenced").inc()
            return False
        metrics.CHUNKS.labels("failed").inc()
        if error.transient and failures < MOST_FAILURES:
            log.warning("chunk %s of extraction %s is tried again: %s", chunk_no, extraction.id, error)
            raise queue.Again(queue.delay_after(max(failures, 1))) from error
        if isinstance(error, errors.Unreadable):  # no more can be said of the chunk
            self._control.fail(extraction.id, str(error))
            return True
        times = f" for the {failures}th time" if error.transient else ""
        chunk = self._control.run(lambda store: store.chunk(extraction.id, chunk_no))
        self._control.fail(extraction.id, f"Chunk {chunk_no} ({chunk.words}) failed{times}: {error}")
        return True

    def _put_off(self, extraction: Extraction, chunk_no: int, error: errors.ExtractionError) -> None:
        """A chunk that was not even begun, for want of room, a secret or the store, has not failed.

        This agent steps aside; another may take it at once.
        """
        if isinstance(error, NoRoom):
            # A while at least: where the room is another agent's to take, one look at the guard would be a spin.
            self._step_aside(extraction.id, deadlines.ROOM, error.guard)
            raise queue.Again(deadlines.POLL) from error
        if isinstance(error, errors.NotHere):
            self._leave(extraction, chunk_no, error, deadlines.STALLED)
        if isinstance(error, errors.StoreUnavailable) and error.retry_after is not None:
            raise queue.Again(error.retry_after) from error

    def _not_reached(self, extraction: Extraction, chunk_no: int, error: NotReached) -> None:
        """Leave an extraction to agents that reach its source, and fail it if for long there was none."""
        long = error.lasting >= deadlines.UNREACHED
        if long and not self._control.run(lambda store: store.reached_lately(extraction.id)):
            told = f"No agent reaches the source, this one did not for {error.lasting:.0f} s: {error}"
            self._control.fail(extraction.id, told)
            return
        if error.asked:
            metrics.error(error)
            metrics.CHUNKS.labels("given_back").inc()
        self._leave(extraction, chunk_no, error if error.asked else None, error.wait)

    def _leave(self, extraction: Extraction, chunk_no: int, error: errors.SourceError | None, wait: float) -> None:
        """To other agents, for a while. error: what is new about it. Raises Again."""
        if error is not None:
            log.warning("extraction %s is left to other agents: %s", extraction.id, error)
            self._give_back(extraction.id, chunk_no, str(error), counted=False)
        self._step_aside(extraction.id, wait, None)
        raise queue.Again(deadlines.ROOM) from error

    def _give_back(self, extraction_id: int, chunk_no: int, error: str | None, *, counted: bool = True) -> int | None:
        """Record the end of an attempt. Returns the chunk's failures, 0 while the store is away; None: taken over."""
        agent = self._control.agent
        try:
            return self._control.run(
                lambda store: store.release(extraction_id, chunk_no, agent, error, counted=counted)
            )
        except (errors.StoreUnavailable, errors.Cancelled):
            return 0  # the claim of the next attempt ends what is left of this one

    def _renew(self, extraction: Extraction) -> bool:
        """Put another snapshot in the place of a lost one, and hold it; or fail the extraction.

        False: the chunk needs none. Its extraction failed, or all is copied: this was a second job of a chunk that is
        done, and the snapshot was not lost but let go.
        """
        self._lanes.forget(extraction.id)
        try:
            with ended_by(self._control.stop), self._control.open() as store:
                if not store.needs_source(extraction.id):
                    return False
                snapshot = renew(store, self._lanes.source(extraction), extraction)
        except errors.Cancelled as cancelled:
            raise queue.Again from cancelled
        except errors.ExtractionError as error:
            if error.transient:
                raise queue.Again(deadlines.POLL) from error
            message = f"The snapshot was lost and the extraction could not go on under another: {error}"
            self._control.fail(extraction.id, message)
            return False
        if snapshot is not None:
            self._keeper.hold(extraction.id, snapshot, extraction.config.definition.snapshot_max_seconds)
        return True


def _expected(plan: Plan) -> int:
    """Rows of a chunk; 0 where nobody knows: of a view, or of what an incremental run will find."""
    if plan.condition is not None:
        return 0
    return plan.estimated_rows if plan.method == "pages" else min(plan.chunk_rows, plan.estimated_rows)
