"""The report of a watch: what became of a committed rollout in the hours after it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from extraction_agent.store.rollout_rows import Point, Rollout, RolloutState
from extraction_agent.store.store import Store

ENOUGH = 0.9  # share of its time that a host must have looked on: starts and a store that was away cost some
_NAMED = 3  # hosts in a sentence


class Outcome(StrEnum):
    """Of a watch."""

    NONE = "not watched"
    WATCHED = "watched"  # now
    HELD = "held"  # to the end, and every host looked on
    UNSEEN = "not seen"  # no guard tripped to the end, but not every host looked on
    TRIPPED = "tripped"  # a guard did, and nobody has taken it back
    FOLLOWED = "followed"  # another rollout was committed before the end
    TAKEN_BACK = "taken back"


@dataclass(frozen=True, slots=True)
class HostWatched:
    """What one host has seen."""

    host: str
    points: list[Point]  # none: it was away all the time
    due: float  # s that it could have looked so far, from when it held the rollout's generation

    @property
    def seconds(self) -> float:
        """In which it looked, and could tell."""
        return sum(one.seconds for one in self.points)

    @property
    def seen(self) -> bool:
        """It looked on for long enough to say that all was well."""
        return self.seconds >= ENOUGH * self.due

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
            "due_seconds": round(self.due, 3),
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
        fleets, undoing = store.committed_rollout(), store.undone_by(rollout.id)
        follower = fleets if fleets is not None and _before_its_end(fleets, rollout) else None
        hosts = _hosts(store, rollout, undoing or follower)
        if rollout.state is not RolloutState.COMMITTED or not rollout.watch_seconds:
            return cls(rollout, Outcome.NONE, None, hosts)
        if undoing is not None:
            return cls(rollout, Outcome.TAKEN_BACK, undoing, hosts)
        if follower is not None:
            return cls(rollout, Outcome.FOLLOWED, follower, hosts)
        if rollout.watch_left:
            return cls(rollout, Outcome.WATCHED, None, hosts)
        if any(one.tripped for one in hosts):
            return cls(rollout, Outcome.TRIPPED, None, hosts)
        return cls(rollout, Outcome.HELD if hosts and all(one.seen for one in hosts) else Outcome.UNSEEN, None, hosts)

    def __str__(self) -> str:
        this, whole = f"Rollout {self.rollout.id}", _time(self.rollout.watch_seconds)
        if self.by is not None:
            return f"{this} was {self._ended_by(self.by)}."
        if self.outcome is Outcome.WATCHED:
            return f"{this} is watched for {_time(self.rollout.watch_left)} more; {self._trips}, and {self._looked}."
        if self.outcome is Outcome.TRIPPED:
            return f"{this} was not taken back, though {self._trips}; the agent's log says why not."
        if self.outcome is Outcome.HELD:
            return f"{this} has held: {self._trips} in {whole}, and {self._looked}."
        if self.outcome is Outcome.UNSEEN:
            return f"{this} cannot be said to have held: {self._trips} in {whole}, but {self._looked}."
        return f"{this} is not watched."

    def _ended_by(self, other: Rollout) -> str:
        if self.outcome is Outcome.FOLLOWED:
            told = f"{self._trips}, and {self._looked}"
            return f"followed by rollout {other.id} before its watch had ended; until then {told}"
        return f"taken back by rollout {other.id}, to profile {other.profile}: {other.reason}"

    @property
    def _trips(self) -> str:
        return next((one.tripped for one in self.hosts if one.tripped), "no guard tripped")

    @property
    def _looked(self) -> str:
        """Who, and for how long at least."""
        ended = self.outcome is not Outcome.WATCHED
        short = [one for one in self.hosts if not (one.seen if ended else one.seconds)]
        if not any(one.seconds for one in self.hosts):
            return "no host has looked" if ended else "no host has looked yet"
        if not short:
            return f"each host has looked for {_time(min(one.seconds for one in self.hosts))} at least"
        told = ", ".join(
            f"{one.host} has looked for {_time(one.seconds)} of {_time(one.due)}" if ended else f"{one.host} not yet"
            for one in short[:_NAMED]
        )
        others = f", and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
        return f"{told}{others}" if ended else f"hosts look, {told}{others}"

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.rollout.as_dict(),
            "outcome": self.outcome.value,
            "by": None if self.by is None else self.by.as_dict(),
            "said": str(self),
            "guards": self.rollout.settings.get("guards", {}),
            "hosts": [one.as_dict() for one in self.hosts],
        }


def _hosts(store: Store, rollout: Rollout, by: Rollout | None) -> list[HostWatched]:
    """Those that have said that they hold it, or what they have seen. by: what has ended its watch before its time."""
    points, held = store.points(rollout.id), {one.host: one.entered_at for one in store.rollout_hosts(rollout.id)}
    begun = rollout.ended_at
    lasted = rollout.watch_seconds - rollout.watch_left
    if begun is not None and by is not None and by.ended_at is not None:
        lasted = (by.ended_at - begun).total_seconds()

    def due(host: str) -> float:
        late = (held[host] - begun).total_seconds() if begun is not None and host in held else 0.0
        return max(lasted - max(late, 0.0), 0.0)

    names = sorted({*held, *(one.host for one in points)})
    found = [HostWatched(name, [one for one in points if one.host == name], due(name)) for name in names]
    return [one for one in found if one.due or one.points]  # who joined later had nothing to look at


def _before_its_end(follower: Rollout, rollout: Rollout) -> bool:
    """The fleet's rollout may have followed others in between; what was held for long is told as held."""
    if follower.id == rollout.id or follower.ended_at is None or rollout.ended_at is None:
        return False
    return (follower.ended_at - rollout.ended_at).total_seconds() < rollout.watch_seconds


def _time(seconds: float) -> str:
    minutes = round(seconds) // 60
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min" if minutes > 1 else f"{seconds:.0f} s"
