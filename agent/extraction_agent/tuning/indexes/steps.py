"""What is done for one index: built until it bears its own name, or dropped until nothing of ours is left."""

from contextlib import suppress
from dataclasses import replace

import psycopg
from psycopg import sql as q

from extraction_agent import errors, postgres, sql
from extraction_agent.store.rollout_rows import IndexState, RolloutIndex
from extraction_agent.store.store import Store
from extraction_agent.tuning.indexes.catalog import Found, Table
from extraction_agent.tuning.indexes.place import SQL, bound_waits
from extraction_agent.tuning.indexes.wanted import Wanted
from extraction_agent.tuning.indexes.work import CHANGED, IN_THE_WAY, Work, mark, passing


class Building:
    """An index of a rollout that runs, whose intent is recorded."""

    def __init__(self, work: Work, store: Store, index: RolloutIndex, wanted: Wanted, table: Table) -> None:
        self._work, self._store, self._index = work, store, index
        self._wanted, self._table = wanted, table

    def settle(self) -> None:
        """Raises Conflict, also if the rollout has ended; then `Dropping` takes back what is left."""
        self._work.settle(self._index, self._step)

    def _step(self) -> bool:
        work, index = self._work, self._index
        look = work.look(index, self._table)
        if look.final is not None:
            if not look.final.valid:  # its undoing was killed
                work.drop(look.final)
                return False
            if index.state is not IndexState.RENAMED:
                self._advance(IndexState.RENAMED)
            return True
        if look.obstacle:
            raise errors.Conflict(f"{work.place.where}: the index {index.name} is not built: {look.obstacle}.")
        if look.build is not None:
            work.await_(look.build, index.temporary_name)
        elif look.temporary is not None and not look.temporary.valid:
            work.drop(look.temporary)
        elif look.temporary is not None:
            self._rename(look.temporary)
        elif look.same is not None:  # made by somebody else meanwhile
            return True
        else:
            self._build()
        return False

    def _build(self) -> None:
        work, index = self._work, self._index
        work.tell(f"{index.name}: is built as {index.temporary_name}")
        try:
            work.run(
                "create",
                name=q.Identifier(index.temporary_name),
                table=q.Identifier(self._table.schema, self._table.name),
                columns=q.SQL(", ").join(map(q.Identifier, self._wanted.columns)),
            )
        except psycopg.errors.QueryCanceled as error:
            self._store.renew_rollout(index.rollout_id, index.token)  # an aborted rollout's is cancelled: it says so
            raise work.place.failed(f"the build of {index.name} was cancelled by somebody.") from error
        except psycopg.Error as error:
            if passing(error, IN_THE_WAY + CHANGED):
                raise
            self._clear()
            if isinstance(error, psycopg.errors.DiskFull):
                told = postgres.describe(error)
                raise work.place.failed(f"the index {index.name} is not built: {told}; free space there.") from error
            raise
        self._advance(IndexState.BUILT)

    def _clear(self) -> None:
        """What is left of a build that failed for good."""
        with suppress(psycopg.Error, errors.ExtractionError):  # the next run, or the undoing, does it
            look = self._work.look(self._index)
            if look.temporary is not None and look.build is None:
                self._work.drop(look.temporary)

    def _rename(self, built: Found) -> None:
        work, store = self._work, self._store
        if self._index.state is not IndexState.BUILT:  # by a backend that outlived its client
            self._advance(IndexState.BUILT)
        if work.place.is_store:
            with store.transaction():
                self._give_name(store.connection, built)
                self._advance(IndexState.RENAMED)
            return
        with work.connection.transaction():
            self._give_name(work.connection, built)
        self._advance(IndexState.RENAMED)

    def _advance(self, state: IndexState) -> None:
        """Raises Conflict: for a rollout that has ended nothing goes further."""
        self._store.advance_index(self._index, self._index.token, state)
        self._index = replace(self._index, state=state)

    def _give_name(self, connection: postgres.Connection, built: Found) -> None:
        bound_waits(connection, self._work.limits.lock_seconds, local=True)
        name = q.Identifier(built.schema, self._index.name)
        renamed = q.SQL(sql.load(SQL, "rename")).format(
            name=q.Identifier(built.schema, built.name), to=q.Identifier(self._index.name)
        )
        connection.execute(renamed)
        ours = q.Literal(mark(self._index))
        connection.execute(q.SQL(sql.load(SQL, "comment")).format(name=name, mark=ours))


class Dropping:
    """An index of a rollout that has ended: only what bears its build's name, or its own name and our mark."""

    def __init__(self, work: Work, store: Store, index: RolloutIndex) -> None:
        self._work, self._store, self._index = work, store, index

    def settle(self) -> None:
        self._work.settle(self._index, self._step)

    def _step(self) -> bool:
        look = self._work.look(self._index)
        if look.build is not None and look.temporary is not None:
            self._work.cancel(look.build, look.temporary)
        elif look.temporary is not None:
            self._work.drop(look.temporary)
        elif look.final is not None:
            self._work.drop(look.final)
        else:
            if self._index.state is not IndexState.DROPPED:
                self._store.drop_index(self._index)
            return True
        return False
