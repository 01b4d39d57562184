"""Fires what is due. Every agent of a fleet does; the store gives each time to one of them.

The row lock of a schedule, the extraction, the record of the firing and the next time are one transaction: an agent
that dies on the way leaves nothing of it, and another fires at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from extraction_agent import deadlines, errors
from extraction_agent.schedules.cron import Cron
from extraction_agent.sources.protocol import Snapshot
from extraction_agent.store.schedules import Firing, Missed, Outcome, Schedule
from extraction_agent.store.store import Config, Store

log = logging.getLogger(__name__)


class Started(Protocol):
    """pipeline.start.Started."""

    @property
    def extraction_id(self) -> int: ...

    @property
    def snapshot(self) -> Snapshot | None: ...


OpenStore = Callable[[], AbstractContextManager[Store]]
Begin = Callable[[Store, Config], Started]  # begins an extraction of a saved config, in the caller's transaction
Hold = Callable[[int, Snapshot, float], None]


class Scheduler:
    """One per agent."""

    def __init__(
        self,
        open_store: OpenStore,
        begin: Begin,
        hold: Hold,
        agent: str,
        clock: Callable[[Store], datetime] = Store.now,
    ) -> None:
        """open_store: lends a connection. hold: keeps the snapshot of what was begun. agent: its name."""
        self._open_store, self._begin, self._hold = open_store, begin, hold
        self._agent, self._clock = agent, clock
        self._stopping = asyncio.Event()

    async def run(self, in_thread: Callable[[Callable[[], float]], Awaitable[float]]) -> None:
        """Fire until stopped. in_thread: runs what blocks, e.g. Threads.run."""
        while not self._stopping.is_set():
            pause = deadlines.SCHEDULE
            try:
                pause = await in_thread(self._round)
            except (errors.StoreUnavailable, errors.Busy) as error:
                log.info("schedules wait: %s", error)
            except errors.ExtractionError as error:
                log.error("schedules wait: %s", error)  # noqa: TRY400 - a sentence, never a traceback
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    def stop(self) -> None:
        """Fire no more. From the agent's loop."""
        self._stopping.set()

    def _round(self) -> float:
        """Fire if anything is due. Returns after how many seconds to look again."""
        with self._open_store() as store:
            left = store.seconds_to_due(self._clock(store))
        if left is None or left > 0:
            return deadlines.SCHEDULE_IDLE if left is None else min(left, deadlines.SCHEDULE_IDLE)
        self.fire_due()
        return deadlines.SCHEDULE

    def fire_due(self) -> int:
        """Fire all that is due and that no other agent is at. Returns how many: those put off too."""
        fired = 0
        there: datetime | None = None
        while not self._stopping.is_set():
            with self._open_store() as store, store.acting("schedule"):
                there = there or self._clock(store)
                if not self._fire_one(store, there):
                    break
            fired += 1
        return fired

    def _fire_one(self, store: Store, there: datetime) -> bool:
        """False: nothing is due, or others are at it. there: since when this agent is at what is due."""
        attempt: _Attempt | None = None
        try:
            with store.transaction():
                now = self._clock(store)
                schedule = store.claim_schedule(now)
                if schedule is None:
                    return False
                try:
                    following = Cron.parse(schedule.cron, schedule.time_zone).after(max(now, schedule.next_at))
                except errors.ExtractionError as error:  # a host with newer tzdata can
                    attempt = _Attempt(None, f"this host cannot tell when it comes next (is its tzdata old?). {error}")
                else:
                    attempt = self._attempt(store, schedule, now, there)
                if attempt.outcome is None:
                    store.postpone(schedule, now + timedelta(seconds=deadlines.SCHEDULE_AGAIN))
                else:
                    number = None if attempt.started is None else attempt.started.extraction_id
                    firing = Firing(schedule.next_at, now, self._agent, attempt.outcome, number, attempt.detail)
                    store.record_firing(schedule, firing, following)
        except BaseException:
            if attempt is not None and attempt.snapshot is not None:
                attempt.snapshot.close()
            raise
        if attempt.started is not None and attempt.snapshot is not None:
            # Only now: before the commit its keeper would find no extraction, and let go of it.
            self._hold(attempt.started.extraction_id, attempt.snapshot, attempt.longest)
        level = logging.INFO if attempt.outcome is Outcome.STARTED else logging.WARNING
        told = f": {attempt.detail}" if attempt.detail else ""
        log.log(level, "the schedule of config %s: %s%s", schedule.config, attempt.outcome or "tried again soon", told)
        return True

    def _attempt(self, store: Store, schedule: Schedule, now: datetime, there: datetime) -> "_Attempt":
        """Begin the extraction, in a transaction inside the firing's. Raises StoreUnavailable."""
        late, absent = now - schedule.next_at, there - schedule.next_at
        told = None
        if schedule.try_at == schedule.next_at and late > timedelta(seconds=deadlines.SCHEDULE_LATE):
            if absent > timedelta(seconds=deadlines.SCHEDULE_LATE):
                told = f"No agent was there for {absent.total_seconds():,.0f} s after it was due."
                if schedule.missed is Missed.SKIP:
                    return _Attempt(Outcome.MISSED, told)
            else:
                told = f"Others were planned before it for {late.total_seconds():,.0f} s after it was due."
        started: Started | None = None
        stands = False
        try:
            with store.transaction():
                config = store.config_of(schedule.config_id)
                try:
                    store.refuse_second(config)
                except errors.Conflict as conflict:
                    return _Attempt(Outcome.OVERLAP, str(conflict))
                started = self._begin(store, config)
            stands = True
        except errors.StoreUnavailable:
            raise
        except errors.ExtractionError as error:
            passing = error.transient or isinstance(error, errors.Conflict)  # which somebody else was first with
            again = passing and late < timedelta(seconds=deadlines.SCHEDULE_GIVE_UP)
            return _Attempt(None if again else Outcome.FAILED, str(error))
        except Exception as error:  # recorded, or it would be fired again at once
            log.debug("a fault of the program", exc_info=True)
            return _Attempt(Outcome.FAILED, str(errors.Fault(error)))
        finally:
            if started is not None and started.snapshot is not None and not stands:
                started.snapshot.close()
        return _Attempt(Outcome.STARTED, told, started, config.definition.snapshot_max_seconds)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What came of firing. outcome None: it is tried again."""

    outcome: Outcome | None
    detail: str | None
    started: Started | None = None
    longest: float = 0.0  # s the snapshot may be held

    @property
    def snapshot(self) -> Snapshot | None:
        return None if self.started is None else self.started.snapshot
