"""Work on one database's indexes: looks at what is there, does the next step, and looks again.

So it can go on from whatever a client that was killed has left, or a backend that outlived it.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, LiteralString, Self

import psycopg
from psycopg import sql as q

from extraction_agent import deadlines, errors, sql
from extraction_agent.store.rollout_rows import RolloutIndex
from extraction_agent.tuning.indexes import catalog
from extraction_agent.tuning.indexes.catalog import Build, Found, Table
from extraction_agent.tuning.indexes.limits import Limits
from extraction_agent.tuning.indexes.place import SQL, Place
from extraction_agent.waiting import Stop, ended_by

Tell = Callable[[str], None]
MARKS = "jivs.extraction: index % of rollout %"
IN_THE_WAY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
CHANGED = (psycopg.errors.DuplicateTable, psycopg.errors.UniqueViolation, psycopg.errors.UndefinedTable)
_MOST_CHANGES = 20  # of one index, by others, while it is worked on


def passing(error: Exception, kinds: tuple[type[psycopg.Error], ...]) -> bool:
    """Whether it is one of these, as the server or the store said it."""
    return isinstance(error, kinds) or isinstance(error.__cause__, kinds)


def mark(index: RolloutIndex) -> str:
    """The comment by which an index is known for ours. The token tells one store's rollouts from another's."""
    return f"jivs.extraction: index {index.no} of rollout {index.rollout_id}, token {index.token}"


@dataclass(frozen=True, slots=True)
class Look:
    """What is there of one index."""

    temporary: Found | None  # under the name of its build
    build: Build | None  # that builds it, or may
    final: Found | None  # under its own name, and ours
    taken: Found | None  # its own name, by something that is not ours
    same: Found | None  # the same, valid, not ours, under whatever name

    @property
    def obstacle(self) -> str | None:
        """Why its name cannot be had, as a part of a sentence."""
        if self.taken is None or self.taken is self.same:
            return None
        if not self.taken.is_index:
            return "something that is no index bears its name"
        if self.taken.same:
            return "an index of that name is INVALID, left by somebody's failed build or being built: drop it first"
        return "its name is taken by another definition"


class Work:
    """Not for two threads at once. Closed with its connection, which looks; what takes long has another."""

    def __init__(self, place: Place, limits: Limits, tell: Tell, heed: Callable[[], None] = lambda: None) -> None:
        """heed: called all along; raises if the work has lost its reason."""
        self.place, self.limits, self.tell, self._heed = place, limits, tell, heed
        self.connection = place.connect(limits.lock_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    # Looking

    def look(self, index: RolloutIndex, table: Table | None = None) -> Look:
        """table: where an index of another name may be the same one."""
        # Builds first: one that ends in between is met as valid; in the other order, as INVALID and left behind.
        builds = catalog.builds(self.connection)
        found = catalog.found(self.connection, index.name, index.temporary_name, index.definition, table)
        ours = mark(index)
        temporary = next((one for one in found if one.name == index.temporary_name and one.same), None)
        final = next((one for one in found if one.name == index.name and one.comment == ours), None)
        named = next((one for one in found if one.name == index.name and one.here and one is not final), None)
        same = [one for one in found if one.same and one.valid and one not in (temporary, final)]
        build = None
        if temporary is not None and not temporary.valid:
            build = next((one for one in builds if one.index in (temporary.oid, None)), None)
        first = next((one for one in same if one is named), next(iter(same), None))
        return Look(temporary, build, final, named, first)

    # Steps

    def settle(self, index: RolloutIndex, step: Callable[[], bool]) -> None:
        """Do step after step until one says that it was the last. Raises Conflict once others were in the way too long.

        A step raises what the server says; where that may pass by itself, it is done again.
        """
        pauses, changes = iter(self.limits.pauses()), 0
        until = time.monotonic() + deadlines.INDEX
        with self.place.translated():
            while time.monotonic() < until:
                self._heed()
                try:
                    if step():
                        return
                except (psycopg.Error, errors.StoreError) as error:
                    if passing(error, IN_THE_WAY):
                        pause = next(pauses, None)
                        if pause is None:
                            raise self._kept_waiting(index) from error
                        self.tell(f"{index.name}: {self._blockers()}; tried again in {pause:g} s")
                    elif passing(error, CHANGED) and changes < _MOST_CHANGES:
                        changes += 1
                        pause = deadlines.INDEX_LOOK
                    else:
                        raise
                    self.pause(pause)
        raise self.place.failed(f"the index {index.name} did not come to its end within {deadlines.INDEX:g} s.")

    def run(self, statement: LiteralString, /, **parts: q.Composable) -> None:
        """A statement that may take hours. Whoever waits is told how far it is."""
        stop = Stop()
        composed = q.SQL(sql.load(SQL, statement)).format(**parts)
        with closing(self.place.connect(self.limits.lock_seconds)) as other, ThreadPoolExecutor(1) as threads:
            other.deadline = deadlines.INDEX

            def execute() -> None:
                with ended_by(stop):
                    other.execute(composed)

            running: Future[Any] = threads.submit(execute)
            try:
                while not wait([running], deadlines.INDEX_LOOK).done:
                    self._heed()
                    self._report(other.info.backend_pid)
            except BaseException:  # nobody wants it any more
                with suppress(psycopg.Error):
                    other.cancel_safe(timeout=deadlines.CANCEL)
                wait([running], deadlines.CANCEL)
                stop.request()
                raise
            finally:
                wait([running])
                stop.close()
            running.result()

    def drop(self, found: Found) -> None:
        self.tell(f"{found.name}: is dropped")
        self.run("drop", name=q.Identifier(found.schema, found.name))

    def await_(self, build: Build, name: str) -> None:
        """Let a backend go on for a moment, which builds for a client that may be gone."""
        self.tell(f"{name}: session {build.pid} builds it, {build.words}")
        self.pause(deadlines.INDEX_LOOK)

    def cancel(self, build: Build, found: Found) -> None:
        with suppress(psycopg.errors.InsufficientPrivilege):  # then it is waited for
            self.connection.execute(sql.load(SQL, "cancel"), {"pid": build.pid, "index": found.oid})
        self.await_(build, found.name)

    def pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._heed()
            time.sleep(min(left, deadlines.INDEX_LOOK))

    # Words

    def _report(self, pid: int) -> None:
        build = next((one for one in catalog.builds(self.connection) if one.pid == pid), None)
        if build is not None:
            self.tell(build.words)

    def _blockers(self) -> str:
        standing = catalog.transactions(self.connection, self.limits.lock_seconds)
        return standing[0].words if standing else "another session held a lock for too long"

    def _kept_waiting(self, index: RolloutIndex) -> errors.Conflict:
        return errors.Conflict(
            f"{self.place.where}: the index {index.name} is not settled: {self.limits.tries} times others did not let "
            f"go within {self.limits.lock_seconds:g} s; {self._blockers()}. End that or wait for it, then do this "
            "again: it goes on from here."
        )
