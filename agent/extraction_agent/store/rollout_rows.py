"""What the rows of a rollout are to the program."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from extraction_agent.model import Verdict


class RolloutState(StrEnum):
    """Of the fleet's change. An ended one never changes."""

    RUNNING = "running"
    COMMITTED = "committed"
    ABORTED = "aborted"


class TrialState(StrEnum):
    """Of one host."""

    TRIAL = "trial"
    CONFIRMED = "confirmed"
    BACK = "back"


class IndexState(StrEnum):
    """How far an index of a rollout is."""

    INTENT = "intent"
    BUILT = "built"
    RENAMED = "renamed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Rollout:
    """One change of the fleet, as the store had it at the moment of the question."""

    id: int
    token: int
    state: RolloutState
    profile: str
    settings: dict[str, Any]  # profiles.Profile, resolved
    holder: str
    lease_seconds: float
    lease_left: float  # s, more than 0 as long as it runs
    renewals: int
    wave: int
    paused: bool
    reason: str | None
    started_at: datetime
    ended_at: datetime | None
    watch_seconds: float  # from the commit on; 0: it is not watched
    watch_left: float  # s; 0 unless it is committed
    undoes: int | None  # the rollout that its watch has taken back
    takes_back: int | None  # the rollout that a person takes back by this one, which nobody judges

    @property
    def running(self) -> bool:
        return self.state is RolloutState.RUNNING

    def as_dict(self) -> dict[str, Any]:
        return {
            "rollout_id": self.id,
            "token": self.token,
            "state": self.state.value,
            "profile": self.profile,
            "holder": self.holder,
            "lease_seconds": self.lease_seconds,
            "lease_left_seconds": round(self.lease_left, 3) if self.running else None,
            "renewals": self.renewals,
            "wave": self.wave,
            "paused": self.paused,
            "reason": self.reason,
            "started_at": self.started_at.isoformat(),
            "ended_at": None if self.ended_at is None else self.ended_at.isoformat(),
            "watch_seconds": self.watch_seconds,
            "watch_left_seconds": round(self.watch_left, 3),
            "undoes": self.undoes,
            "takes_back": self.takes_back,
        }


@dataclass(frozen=True, slots=True)
class RolloutHost:
    """What a host has said of itself."""

    host: str
    wave: int
    generation: int
    state: TrialState
    deadline: datetime | None
    reason: str | None
    entered_at: datetime
    seen_at: datetime

    def as_dict(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "wave": self.wave,
            "generation": self.generation,
            "state": self.state.value,
            "deadline": None if self.deadline is None else self.deadline.isoformat(),
            "reason": self.reason,
            "entered_at": self.entered_at.isoformat(),
            "seen_at": self.seen_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Point:
    """What a host has seen in one of the equal parts of a watch."""

    host: str
    no: int  # from 0
    seconds: float  # in which it looked, and the store was there
    records: int
    busy_seconds: float  # with a chunk in flight
    attempts: int  # at chunks
    failed: int
    pool_active: int  # the most at once
    pool_maximum: int
    tripped: str | None = None  # the guard's words, if it ended the watch
    noted_at: datetime | None = None  # None: not noted yet

    @property
    def per_minute(self) -> float | None:
        """Records per busy minute. None: it had nothing to do."""
        return 60 * self.records / self.busy_seconds if self.busy_seconds > 0 else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "no": self.no,
            "seconds": round(self.seconds, 3),
            "records": self.records,
            "busy_seconds": round(self.busy_seconds, 3),
            "records_per_busy_minute": None if self.per_minute is None else round(self.per_minute, 1),
            "attempts": self.attempts,
            "failed": self.failed,
            "pool_active": self.pool_active,
            "pool_maximum": self.pool_maximum,
            "tripped": self.tripped,
            "noted_at": None if self.noted_at is None else self.noted_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """A gate's verdict on a wave."""

    wave: int
    verdict: Verdict
    evidence: dict[str, Any]
    judged_at: datetime
    overridden_by: str | None
    overridden_because: str | None

    @property
    def favourable(self) -> bool:
        """GO, or a person has answered for it."""
        return self.verdict is Verdict.GO or self.overridden_by is not None

    def as_dict(self) -> dict[str, Any]:
        return {
            "wave": self.wave,
            "verdict": self.verdict.value,
            "evidence": self.evidence,
            "judged_at": self.judged_at.isoformat(),
            "overridden_by": self.overridden_by,
            "overridden_because": self.overridden_because,
        }


@dataclass(frozen=True, slots=True)
class RolloutIndex:
    """An index that a rollout wants. Until it is renamed it bears `temporary_name`."""

    rollout_id: int
    no: int
    database: str  # store, or the source as its config has it
    name: str
    definition: str
    state: IndexState
    ours: bool  # False: it was there before, and stays
    rollout_state: RolloutState
    token: int  # of its rollout
    undone: bool = False  # its rollout was committed, and its watch has taken it back

    @property
    def left(self) -> bool:
        """Its rollout is no more, so it is to go, if the fleet does not want it for another reason."""
        return self.rollout_state is RolloutState.ABORTED or self.undone

    @property
    def temporary_name(self) -> str:
        return f"jivs_r{self.rollout_id}_{self.no}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "no": self.no,
            "database": self.database,
            "name": self.name,
            "definition": self.definition,
            "state": self.state.value,
            "ours": self.ours,
        }
