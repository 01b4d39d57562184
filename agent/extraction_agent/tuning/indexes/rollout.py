"""The indexes of a rollout: applied while it runs, undone once it is aborted, or when a person asks for it."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from extraction_agent import deadlines, errors
from extraction_agent.postgres import Connection
from extraction_agent.profiles import Profile
from extraction_agent.store.rollout_rows import IndexState, Rollout, RolloutIndex, RolloutState
from extraction_agent.store.store import Store
from extraction_agent.tuning.indexes import catalog, refusals
from extraction_agent.tuning.indexes.limits import Limits
from extraction_agent.tuning.indexes.place import Place
from extraction_agent.tuning.indexes.refusals import Prepared
from extraction_agent.tuning.indexes.steps import Building, Dropping
from extraction_agent.tuning.indexes.wanted import Wanted, wanted
from extraction_agent.tuning.indexes.work import MARKS, Tell, Work, mark


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one index, or would."""

    name: str
    definition: str
    action: str  # build, drop, keep
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "definition": self.definition, "action": self.action, "reason": self.reason}


@dataclass(slots=True)
class Report:
    """What was done in one database, or would be."""

    database: str
    rollout_id: int | None
    outcomes: list[Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return any(one.action != "keep" for one in self.outcomes)

    def as_dict(self) -> dict[str, Any]:
        return {
            "database": self.database,
            "rollout_id": self.rollout_id,
            "changed": self.changed,
            "indexes": [one.as_dict() for one in self.outcomes],
            "notes": self.notes,
        }


class Lease:
    """Keeps a rollout while a build takes long; whose holder has lost it must end."""

    def __init__(self, store: Store, rollout: Rollout) -> None:
        self._store, self._rollout = store, rollout
        self._due = 0.0

    def keep(self) -> None:
        """Raises Conflict once the rollout has ended, whoever ended it."""
        if time.monotonic() >= self._due:
            self._store.renew_rollout(self._rollout.id, self._rollout.token)
            self._due = time.monotonic() + min(self._rollout.lease_seconds / 3, deadlines.RECORD_EVERY)


def apply(
    store: Store, place: Place, rollout_id: int, token: int, limits: Limits, tell: Tell, *, dry_run: bool = False
) -> Report:
    """Build what the rollout's profile wants in this database and is not there, and clear up what others have left.

    Raises Conflict, UsageError: then nothing was changed, or what was begun is dropped. dry_run: change nothing.
    """
    rollout = store.rollout(rollout_id)
    if not rollout.running or rollout.token != token:
        why = f"it is {rollout.state}" if not rollout.running else f"its token is {rollout.token}, not {token}"
        raise errors.Conflict(f"No index is built for rollout {rollout_id}: {why}.")
    profile = Profile.recorded(rollout.settings, f"The profile of rollout {rollout_id}")
    report = Report(place.name, rollout_id)
    lease = Lease(store, rollout)
    with Work(place, limits, tell, (lambda: None) if dry_run else lease.keep) as work:
        known = {one.name: one for one in store.rollout_indexes(rollout_id) if one.database == place.name}
        with place.translated():
            left = unwanted(store, place, left_in(store, place, work.connection))
            prepared = [
                _without(_prepare(work, rollout, one, known), {mark(index) for index in left})
                for one in wanted(profile.settings.indexes, place)
            ]
            ended = {look.build.pid for one in left if (look := work.look(one)).build is not None}
            report.notes += refusals.check(work.connection, place, prepared, limits, ended)
        report.outcomes += [_drop(store, work, one, dry_run=dry_run) for one in left]
        report.outcomes += [
            _build(store, work, rollout, one, known.get(one.wanted.name), dry_run=dry_run) for one in prepared
        ]
    return report


def undo(
    store: Store,
    place: Place,
    rollout_id: int | None,
    limits: Limits,
    tell: Tell,
    *,
    heed: Callable[[], None] = lambda: None,
    dry_run: bool = False,
) -> Report:
    """Drop what a rollout made in this database; None: whatever any has left that the fleet's profile does not want.

    heed: called all along; what it raises ends this. Raises Conflict for one that runs.
    """
    if rollout_id is not None and store.rollout(rollout_id).running:
        raise errors.Conflict(
            f"Rollout {rollout_id} runs: end it with `extractctl rollout abort {rollout_id}` before its indexes are "
            "dropped."
        )
    report = Report(place.name, rollout_id)
    kept_by, names = _of_fleet(store, place)
    with Work(place, limits, tell, heed) as work:
        for index in left_in(store, place, work.connection, rollout_id):
            if rollout_id is None and index.rollout_id == kept_by:
                continue
            if index.rollout_state is RolloutState.COMMITTED and index.rollout_id != kept_by and index.name in names:
                told = f"rollout {kept_by}, whose profile is the fleet's, wants it too"
                report.outcomes.append(Outcome(index.name, index.definition, "keep", told))
            else:
                report.outcomes.append(_drop(store, work, index, dry_run=dry_run))
    return report


def _of_fleet(store: Store, place: Place) -> tuple[int | None, set[str]]:
    """The committed rollout, and the indexes that its profile wants in this database."""
    committed = store.committed_rollout()
    if committed is None:
        return None, set()
    profile = Profile.recorded(committed.settings, f"The profile of rollout {committed.id}")
    return committed.id, {one.name for one in wanted(profile.settings.indexes, place)}


def _prepare(work: Work, rollout: Rollout, one: Wanted, known: dict[str, RolloutIndex]) -> Prepared:
    """Raises UsageError for an unknown table or column."""
    table = catalog.table(work.connection, one.table, one.columns)
    defined = catalog.definition(work.connection, one.name, table, one.columns)
    index = known.get(one.name)
    if index is not None and index.definition != defined:
        raise errors.Conflict(
            f"{work.place.where}: rollout {rollout.id} has recorded another definition of {one.name}, "
            f"{index.definition}: what it means has changed since; abort the rollout and begin anew."
        )
    new = RolloutIndex(
        rollout.id, 0, work.place.name, one.name, defined, IndexState.INTENT, True, rollout.state, rollout.token
    )
    return Prepared(one, table, defined, work.look(index or new, table))


def _without(one: Prepared, marks: set[str]) -> Prepared:
    """As it will be once indexes of these marks are dropped."""
    look = one.look
    if look.taken is None or look.taken.comment not in marks:
        return one
    return replace(one, look=replace(look, taken=None, same=None if look.same is look.taken else look.same))


def _build(
    store: Store, work: Work, rollout: Rollout, one: Prepared, index: RolloutIndex | None, *, dry_run: bool
) -> Outcome:
    theirs = one.look.same
    reason = None if theirs is None else f"it was there before, as {theirs.name}"
    kept = Outcome(one.wanted.name, one.definition, "keep", reason)
    built = kept if one.there else Outcome(one.wanted.name, one.definition, "build")
    if dry_run:
        return built
    if index is None:
        index = store.want_index(
            rollout.id, rollout.token, work.place.name, one.wanted.name, one.definition, ours=theirs is None
        )
    if index.ours:
        _settle(store, work, Building(work, store, index, one.wanted, one.table), index)
    elif theirs is None:
        raise errors.Conflict(
            f"{work.place.where}: the index {index.name} was there when rollout {rollout.id} came here, and somebody "
            "has dropped it since: abort the rollout and begin anew."
        )
    return built


def _settle(store: Store, work: Work, building: Building, index: RolloutIndex) -> None:
    """Build it; take back what was begun, if the rollout ended meanwhile."""
    try:
        building.settle()
    except errors.Conflict:
        if not store.rollout(index.rollout_id).running:
            with (
                suppress(errors.ExtractionError),  # else an agent, or whoever undoes the rollout, finds it
                Work(work.place, work.limits, work.tell) as clearing,
            ):
                Dropping(clearing, store, index).settle()
        raise


def left_in(store: Store, place: Place, connection: Connection, rollout_id: int | None = None) -> list[RolloutIndex]:
    """Indexes in this database that rollouts which have ended made. None: of every one.

    By record, and by name: a build may have begun when the record was undone already.
    """
    with place.translated():
        names, marks = catalog.remainders(connection, MARKS)
    return [
        one
        for one in store.rollout_indexes(rollout_id, dropped=True)
        if one.database == place.name and one.ours and one.rollout_state is not RolloutState.RUNNING
        if one.state is not IndexState.DROPPED or one.temporary_name in names or mark(one) in marks
    ]


def unwanted(store: Store, place: Place, found: list[RolloutIndex]) -> list[RolloutIndex]:
    """Those of rollouts that are no more. What was committed and taken back stays if the fleet's profile wants it."""
    if not any(one.undone for one in found):
        return [one for one in found if one.left]
    names = _of_fleet(store, place)[1]
    return [one for one in found if one.left and not (one.undone and one.name in names)]


def _drop(store: Store, work: Work, index: RolloutIndex, *, dry_run: bool) -> Outcome:
    if not dry_run:
        Dropping(work, store, index).settle()
    return Outcome(index.name, index.definition, "drop", f"rollout {index.rollout_id} made it")
