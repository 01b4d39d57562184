"""The report of a watch: what became of a committed rollout in the hours after it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from extraction_agent.store.rollout_rows import Point, Rollout, RolloutState
from extraction_agent.store.store import Store


class Outcome(StrEnum):
    """Of a watch."""

    NONE = "not watched"
    WATCHED = "watched"  # now
    HELD = "held"  # to the end
    FOLLOWED = "followed"  # another rollout was committed before the end
    TAKEN_BACK = "taken back"


@dataclass(frozen=True, slots=True)
class HostWatched:
    """What one host has seen."""

    host: str
    points: list[Point]  # none: it was away all the time, or its first part is under way

    @property
    def seconds(self) -> float:
        """In which it looked."""
        return sum(one.seconds for one in self.points)

    @property
    def least_per_minute(self) -> float | None:
        """Records per busy minute of its slowest part."""
        return min((one.per_minute for one in self.points if one.per_minute is not None), default=None)

    @property
    def error_rate(self) -> float | None:
        """Share of all attempts at chunks that failed."""
        attempts = sum(one.attempts for one in self.points)
        return sum(one.failed for one in self.points) / attempts if attempts else None

    @property
    def pool_use(self) -> float:
        """The largest share of the pool in use at once."""
        return max((one.pool_active / one.pool_maximum for one in self.points), default=0.0)

    @property
    def tripped(self) -> str | None:
        return next((one.tripped for one in self.points if one.tripped), None)

    def as_dict(self) -> dict[str, Any]:
        least, rate = self.least_per_minute, self.error_rate
        return {
            "host": self.host,
            "seconds": round(self.seconds, 3),
            "records": sum(one.records for one in self.points),
            "least_records_per_busy_minute": None if least is None else round(least, 1),
            "error_rate": None if rate is None else round(rate, 6),
            "pool_use": round(self.pool_use, 4),
            "tripped": self.tripped,
            "points": [one.as_dict() for one in self.points],
        }


@dataclass(frozen=True, slots=True)
class Watched:
    """Of one rollout."""

    rollout: Rollout
    outcome: Outcome
    by: Rollout | None  # that followed, or has taken it back
    hosts: list[HostWatched]

    @classmethod
    def of(cls, store: Store, rollout: Rollout) -> "Watched":
        """Of a rollout as it is now."""
        points = store.points(rollout.id)
        names = sorted({one.host for one in store.rollout_hosts(rollout.id)} | {one.host for one in points})
        hosts = [HostWatched(name, [one for one in points if one.host == name]) for name in names]
        fleets, undoing = store.committed_rollout(), store.undone_by(rollout.id)
        if rollout.state is not RolloutState.COMMITTED or not rollout.watch_seconds:
            return cls(rollout, Outcome.NONE, None, hosts)
        if undoing is not None:
            return cls(rollout, Outcome.TAKEN_BACK, undoing, hosts)
        if fleets is not None and fleets.id != rollout.id and _before_its_end(fleets, rollout):
            return cls(rollout, Outcome.FOLLOWED, fleets, hosts)
        return cls(rollout, Outcome.WATCHED if rollout.watch_left else Outcome.HELD, None, hosts)

    def __str__(self) -> str:
        number, by = self.rollout.id, self.by
        if self.outcome is Outcome.NONE:
            return f"Rollout {number} is not watched."
        if self.outcome is Outcome.WATCHED:
            return f"Rollout {number} is watched for {_time(self.rollout.watch_left)} more; no guard has tripped."
        if self.outcome is Outcome.HELD:
            return f"Rollout {number} has held: no guard tripped in {_time(self.rollout.watch_seconds)}."
        assert by is not None
        if self.outcome is Outcome.FOLLOWED:
            return f"Rollout {number} was followed by rollout {by.id} before its watch had ended; no guard had tripped."
        return f"Rollout {number} was taken back by rollout {by.id}, to profile {by.profile}: {by.reason}."

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.rollout.as_dict(),
            "outcome": self.outcome.value,
            "by": None if self.by is None else self.by.as_dict(),
            "said": str(self),
            "guards": self.rollout.settings.get("guards", {}),
            "hosts": [one.as_dict() for one in self.hosts],
        }


def _before_its_end(follower: Rollout, rollout: Rollout) -> bool:
    """The fleet's rollout may have followed others in between; what was held for long is told as held."""
    if follower.ended_at is None or rollout.ended_at is None:
        return False
    return (follower.ended_at - rollout.ended_at).total_seconds() < rollout.watch_seconds


def _time(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{seconds:.0f} s"
