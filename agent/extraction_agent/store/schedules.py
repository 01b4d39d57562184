"""Schedules in the store, which decides for the fleet who fires one, and what became of each firing."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from extraction_agent.store.audit import Audit
from extraction_agent.store.rows import Config

_KEPT = 100  # firings of each config


class Missed(StrEnum):
    """What to do about times at which no agent was there."""

    SKIP = "skip"
    ONCE = "once"


class Outcome(StrEnum):
    """Of a time that was due."""

    STARTED = "started"
    OVERLAP = "overlap"  # the extraction before was not finished
    MISSED = "missed"  # no agent was there in time, and the schedule says skip
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a config's extractions begin."""

    config_id: int
    config: str
    cron: str
    time_zone: str
    missed: Missed
    next_at: datetime
    try_at: datetime

    def as_dict(self) -> dict[str, Any]:
        return {
            "config": self.config,
            "cron": self.cron,
            "time_zone": self.time_zone,
            "missed": self.missed.value,
            "next_at": self.next_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Firing:
    """What became of one time."""

    due_at: datetime
    fired_at: datetime
    agent: str
    outcome: Outcome
    extraction_id: int | None = None
    detail: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "due_at": self.due_at.isoformat(),
            "fired_at": self.fired_at.isoformat(),
            "agent": self.agent,
            "outcome": self.outcome.value,
            "extraction_id": self.extraction_id,
            "detail": self.detail,
        }


class Schedules(Audit):
    """The rows of schedules and firings."""

    def now(self) -> datetime:
        """The store's clock, the one that counts for all agents."""
        row = self._one("now")
        assert row is not None
        moment: datetime = row[0]
        return moment

    def set_schedule(self, config: Config, cron: str, time_zone: str, missed: Missed, next_at: datetime) -> None:
        """Make a config's schedule, or replace it."""
        wanted = {"cron": cron, "time_zone": time_zone, "missed": missed.value}
        with self.transaction():
            row = self._one("lock_schedule", config_id=config.id)
            before = None if row is None else dict(zip(wanted, row, strict=True))
            self._run("set_schedule", config_id=config.id, next_at=next_at, **wanted)
            self.audit(None, "schedule.set", f"config {config.name}", before, wanted)

    def clear_schedule(self, config: Config) -> bool:
        """With its firings. False: there was none."""
        with self.transaction():
            row = self._one("lock_schedule", config_id=config.id)
            if row is not None:
                self._run("clear_schedule", config_id=config.id)
                before = dict(zip(("cron", "time_zone", "missed"), row, strict=True))
                self.audit(None, "schedule.cleared", f"config {config.name}", before)
        return row is not None

    def schedules(self, config_id: int | None = None) -> list[Schedule]:
        """Those due next first."""
        return [_schedule(row) for row in self._run("schedules", config_id=config_id)]

    def seconds_to_due(self, now: datetime) -> float | None:
        """Until the next time, negative if it has passed. None: there is no schedule."""
        row = self._one("seconds_to_due", now=now)
        return None if row is None else row[0]

    def claim_schedule(self, now: datetime) -> Schedule | None:
        """One that is due; no other agent gets it before the caller's transaction ends."""
        row = self._one("claim_schedule", now=now)
        return None if row is None else _schedule(row)

    def postpone(self, schedule: Schedule, try_at: datetime) -> None:
        """The time stays due, and is tried later."""
        self._run("schedule_next", config_id=schedule.config_id, next_at=schedule.next_at, try_at=try_at)

    def record_firing(self, schedule: Schedule, firing: Firing, next_at: datetime) -> None:
        """In the transaction that claimed it."""
        self._run(
            "insert_firing",
            config_id=schedule.config_id,
            due_at=firing.due_at,
            fired_at=firing.fired_at,
            agent=firing.agent,
            outcome=firing.outcome.value,
            extraction_id=firing.extraction_id,
            detail=firing.detail,
        )
        self._run("forget_firings", config_id=schedule.config_id, keep=_KEPT)
        self._run("schedule_next", config_id=schedule.config_id, next_at=next_at, try_at=next_at)
        self.audit(None, f"schedule.{firing.outcome}", f"config {schedule.config}", after=firing.as_dict())

    def firings(self, config_id: int, limit: int) -> list[Firing]:
        """Newest first."""
        return [
            Firing(row[0], row[1], row[2], Outcome(row[3]), row[4], row[5])
            for row in self._run("firings", config_id=config_id, limit=limit)
        ]


def _schedule(row: tuple[Any, ...]) -> Schedule:
    config_id, config, cron, time_zone, missed, next_at, try_at = row
    return Schedule(config_id, config, cron, time_zone, Missed(missed), next_at, try_at)
