"""Watches of committed rollouts in the store: what hosts have seen, and the way back."""

from typing import Any

from psycopg.types.json import Jsonb

from extraction_agent.store.rollout_rows import Point, Rollout
from extraction_agent.store.rollouts import Rollouts


class Watches(Rollouts):
    """What an agent says of a watch, and what a report reads."""

    def take_back(self, id_: int, host: str, because: str, configured: str, named: dict[str, Any]) -> Rollout | None:
        """Commit what was before a rollout whose watch has tripped on a host; one that runs on top of it is aborted.

        configured, named: the profile that the host's configuration names, for a fleet that had none before.
        None: the rollout is not the fleet's any more, or its watch is over.
        """
        with self.transaction():
            self._run("lock_rollouts")
            held, latest = self.committed_rollout(), self.latest_rollout()
            if held is None or held.id != id_:
                return None
            row = self._one(
                "take_back_rollout", id=id_, because=because, host=host, profile=configured, settings=Jsonb(named)
            )
            if row is None or row[0] is None:
                return None
            if latest is not None and latest.running:
                self.abort_rollout(latest.id, f"what it was to follow is taken back: {because}")
            written = self._found(id_=row[0])[0]
            told = {"undoes": id_, "because": because, "host": host, "profile": written.profile}
            self._audit_rollout("taken_back", written, told)
            return written

    def undone_by(self, id_: int) -> Rollout | None:
        """The rollout that its watch has written."""
        row = self._one("undoing_rollout", id=id_)
        return None if row is None else self.rollout(row[0])

    def note_point(self, id_: int, point: Point) -> None:
        """What a host has seen in one part of a watch. Again, after an answer that was lost: the same."""
        with self.transaction():
            self._run(
                "note_point",
                id=id_, host=point.host, no=point.no, seconds=point.seconds, records=point.records,
                busy_seconds=point.busy_seconds, attempts=point.attempts, failed=point.failed,
                pool_active=point.pool_active, pool_maximum=point.pool_maximum, tripped=point.tripped,
            )  # fmt: skip

    def points(self, id_: int) -> list[Point]:
        """By host, the older first."""
        return [Point(*row) for row in self._run("points", id=id_)]
