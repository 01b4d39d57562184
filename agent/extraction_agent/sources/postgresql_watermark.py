"""Incremental runs of a PostgreSQL source that lose nothing and repeat nothing, without a change at the source.

A row is new if the transaction that wrote it was not visible to the last run's snapshot. `xmin` tells the transaction,
the watermark column only keeps the reading short. docs/explanation/watermark.md has the argument and the limits.
Where transactions cannot be seen, a run overlaps the last one instead (overlap.py) and says so.
"""

import math
import re
import time
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import psycopg
from psycopg import sql as q

from extraction_agent import errors, sql
from extraction_agent.model import Chunk, Consistency, Definition
from extraction_agent.postgres import Connection
from extraction_agent.sources import overlap
from extraction_agent.sources import postgresql_catalog as catalog
from extraction_agent.sources import postgresql_parts as parts
from extraction_agent.sources.columns import hint
from extraction_agent.sources.postgresql_planner import Cut

KIND = "exact"
XMIN = "xmin"
State = dict[str, Any]
Marked = tuple[Cut, State]

_ZONES = 16 * 3600.0  # s; a stamp without a zone was written in a zone no further west of UTC than this
_FLUSH_POLL = 0.02  # s
_TIMES = ("timestamp with time zone", "timestamp without time zone", "date")
_NUMBERS = {  # what a value of the type is compared as
    "smallint": "bigint", "integer": "bigint", "bigint": "bigint", "numeric": "numeric",
    "real": "double precision", "double precision": "double precision",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stamp:
    """The watermark column. type: what its values are compared as."""

    name: str
    type: str
    kind: Literal["time", "number"]

    @property
    def quoted(self) -> q.Identifier:
        return q.Identifier(self.name)

    @property
    def zoned(self) -> bool:
        return self.type == _TIMES[0]

    def literal(self, value: str | None) -> q.Composed:
        return q.SQL("{}::{}").format(q.Literal(value), sql.trusted(self.type))


class Incremental(Protocol):
    """One incremental run, begun before its snapshot was taken."""

    def condition(self, connection: Connection, facts: dict[str, Any]) -> str | None:
        """The run's filter; None: everything. facts: of the snapshot that `connection` has joined."""
        ...

    def mark(self, connection: Connection, facts: dict[str, Any], cut: Cut) -> Marked:
        """The cut with its watermark and notes, and the state after the run."""
        ...


def begin(
    connection: Connection, definition: Definition, relation: catalog.Relation, state: State | None
) -> Incremental:
    """Step 1: what was open before the snapshot. `connection` must be in no transaction. Raises UsageError."""
    if definition.consistency is Consistency.CHUNK:
        raise errors.UsageError(
            "An incremental run reads all its chunks under one snapshot, or it would lose rows: leave out "
            "--consistency chunk."
        )
    stamp = None if definition.watermark == XMIN else _stamp(connection, definition, relation)
    obstacle, copied = _unmarked(connection, relation), False
    if obstacle is None:
        obstacle, copied = _blind(connection, relation)
    if obstacle is None:
        try:
            return Exact(definition, relation, stamp, copied, state, *_open(connection))
        except _Blind as hidden:
            obstacle = str(hidden)
    if stamp is None:
        raise errors.UsageError(
            f"{obstacle}. An overlap could serve instead, but it needs a column of time stamps or growing numbers: "
            "give one with --watermark."
        )
    return Overlapping(definition, relation, stamp, state, obstacle)


class Exact:
    """A run whose new rows are told by their transactions."""

    def __init__(
        self,
        definition: Definition,
        relation: catalog.Relation,
        stamp: Stamp | None,
        copied: bool,
        state: State | None,
        low: str,
        prepared: bool,
        system: str,
        timeline: str,
    ) -> None:
        self._definition, self._relation, self._stamp, self._state = definition, relation, stamp, state
        self._timed = stamp is not None and stamp.kind == "time" and not copied  # stamps tell when a transaction was
        self._identity = {"system": system, "timeline": timeline}
        self._notes: list[str] = []
        self._written = ("0/0", 0.0)
        self._leaves: list[parts.Leaf] = []  # as the run's snapshot has them
        self._apart: list[Chunk] = []  # of leaves that other rows are wanted of than the plan's condition says
        # Nothing tells when a prepared transaction began, but it was not before the horizon of a run that saw it open.
        self._low = low if not prepared else state["low"] if state is not None and state["kind"] == KIND else None

    def condition(self, connection: Connection, facts: dict[str, Any]) -> str | None:
        self._written, self._leaves = _written(connection), parts.leaves(connection, self._relation)
        state = self._state
        if state is None:
            return None
        if state["kind"] == overlap.KIND:
            assert self._stamp is not None
            return overlap.condition(self._stamp.quoted.as_string(connection), self._text(connection), state)
        other = self._other_history(state, facts)
        if other:
            self._note_other_history()
        # After a restore into another system the tables have other numbers too.
        same_tables = state["system"] == self._identity["system"]
        change = parts.since(state, self._leaves, numbered=not other) if same_tables else parts.Change()
        if change.new:
            self._notes.append(change.note)
        if change.new and len(change.new) == len(self._leaves):
            return None
        self._apart = change.whole
        self._apart += [leaf.chunk(_together(connection, self._later(marks, facts))) for leaf, marks in change.back]
        bound = self._bound(state["low"], self._definition.overlap_seconds)
        conditions = ([] if bound is None else [bound]) if other else self._later(state, facts)
        if self._apart:
            conditions.append(change.apart)
        return _together(connection, conditions) if conditions else None

    def _later(self, marks: State, facts: dict[str, Any]) -> list[q.Composed]:
        """Conditions of a row that a run did not see. marks: what that run's state says of it."""
        # `seen` reaches no further back than that run's overlap did, so neither may this run.
        seconds = min(self._definition.overlap_seconds, marks.get("seconds", math.inf))
        bound, xid = self._bound(marks["low"], seconds), _xid(facts)
        return [
            *([] if bound is None else [bound]),
            q.SQL("{} >= {}").format(xid, q.Literal(int(marks["xmin"]))),
            q.SQL("NOT {}::int8multirange @> {}").format(q.Literal(marks["seen"]), xid),
            _NORMAL,
        ]

    def mark(self, connection: Connection, facts: dict[str, Any], cut: Cut) -> Marked:
        bound, xid = self._bound(self._low, self._definition.overlap_seconds), _xid(facts)
        young = [] if bound is None else [bound]
        young += [q.SQL("{} >= {}").format(xid, q.Literal(int(facts["xmin"]))), _NORMAL]
        row = connection.execute(
            q.SQL(sql.load(catalog.PACKAGE, "postgresql_watermark_seen")).format(
                xid=xid, relation=self._relation.sql, young=q.SQL(" AND ").join(young)
            )
        ).fetchone()
        assert row is not None
        state, plan = self._state, cut.plan
        same = state is not None and state["kind"] == KIND and not self._other_history(state, facts)
        after = {
            "kind": KIND, "column": self._definition.watermark, "low": self._low, "xmin": facts["xmin"],
            "seen": row[0], "seconds": self._definition.overlap_seconds, **self._identity,
            **parts.kept(connection, state if same else None, self._leaves),
        }  # fmt: skip
        deduplicate = state is not None and state["kind"] == overlap.KIND
        chunks = overlap.meeting(plan, cut.chunks) if deduplicate else cut.chunks
        if self._apart:
            chunks = [chunk.model_copy(update={"condition": plan.condition}) for chunk in chunks] + self._apart
            plan = plan.model_copy(update={"condition": None})
        plan = plan.model_copy(update={"restart_on_lost_snapshot": True, "deduplicate": deduplicate})
        _await_flush(connection, *self._written)
        return Cut(plan, chunks, [*cut.notes, *self._notes]), after

    def _bound(self, low: str | None, seconds: float) -> q.Composed | None:
        """No row of a transaction that ended after `low` is stamped before this; None: no stamp to go by."""
        if low is None or self._stamp is None or not self._timed:
            return None
        reach = q.Literal(_reach(self._stamp, seconds))
        earliest = q.SQL("({}::timestamptz - make_interval(secs => {}))").format(q.Literal(low), reach)
        return q.SQL("{} >= {}::{}").format(self._stamp.quoted, earliest, sql.trusted(self._stamp.type))

    def _text(self, connection: Connection) -> "overlap.Literal":
        stamp = self._stamp
        assert stamp is not None
        return lambda value: stamp.literal(value).as_string(connection)

    def _other_history(self, state: State, facts: dict[str, Any]) -> bool:
        """Whether the numbers of the last run's transactions mean others here."""
        same = all(state[name] == value for name, value in self._identity.items())
        return not same or int(state["xmin"]) > int(facts["xmax"])

    def _note_other_history(self) -> None:
        what = "The source was restored or failed over since the last run, so its transactions are numbered anew"
        if not self._timed:
            raise errors.UsageError(
                f"{what}, and without time stamps made here nothing tells which rows are new. Take everything again "
                "after `extractctl watermark reset`, or extract under another --name."
            )
        self._notes.append(
            f"{what}: this run took all rows stamped since the last run less "
            f"{self._definition.overlap_seconds:g} s, so some of them a second time."
        )


class Overlapping:
    """A run that cannot see transactions."""

    def __init__(
        self, definition: Definition, relation: catalog.Relation, stamp: Stamp, state: State | None, obstacle: str
    ) -> None:
        self._definition, self._relation, self._stamp = definition, relation, stamp
        self._state = state
        unit = "s" if stamp.kind == "time" else f"of {stamp.name}"
        self._notes = [overlap.note(obstacle, definition.overlap_seconds, unit)]

    def condition(self, connection: Connection, facts: dict[str, Any]) -> str | None:  # noqa: ARG002 - the protocol's
        self._state = self._carried(connection)
        return overlap.condition(self._stamp.quoted.as_string(connection), self._text(connection), self._state)

    def mark(self, connection: Connection, facts: dict[str, Any], cut: Cut) -> Marked:  # noqa: ARG002 - the protocol's
        stamp = self._stamp
        horizon = overlap.Horizon(*self._horizon(connection))
        quoted = stamp.quoted.as_string(connection)
        plan, chunks, after = overlap.apply(
            cut.plan,
            cut.chunks,
            stamp.name,
            quoted,
            self._text(connection),
            horizon,
            self._state,
            shared=True,
        )
        plan = plan.model_copy(update={"restart_on_lost_snapshot": True})
        return Cut(plan, chunks, [*cut.notes, *self._notes]), after

    def _carried(self, connection: Connection) -> State | None:
        """The last run's state; after an exact one, as far back as that one's horizon."""
        state = self._state
        if state is None or state["kind"] == overlap.KIND:
            return state
        if self._stamp.kind == "number" or state["low"] is None:
            raise errors.UsageError(
                f"{self._notes[0]} The last run did not, and its watermark holds no value of {self._stamp.name} to "
                "overlap with. Mend the cause, or take everything again after `extractctl watermark reset`."
            )
        self._notes.append("The last run was exact and kept no rows to compare with: some are taken a second time.")
        row = connection.execute(
            sql.load(catalog.PACKAGE, "postgresql_watermark_before"),
            {"low": state["low"], "seconds": _reach(self._stamp, self._definition.overlap_seconds)},
        ).fetchone()
        assert row is not None
        return {"kind": overlap.KIND, "from": row[0]}

    def _horizon(self, connection: Connection) -> tuple[str | None, str | None]:
        stamp = self._stamp
        name: Literal["postgresql_watermark_horizon_time", "postgresql_watermark_horizon_number"]
        name = "postgresql_watermark_horizon_time" if stamp.kind == "time" else "postgresql_watermark_horizon_number"
        statement = q.SQL(sql.load(catalog.PACKAGE, name)).format(
            column=stamp.quoted,
            relation=self._relation.sql,
            overlap=q.Literal(self._definition.overlap_seconds),
            previous=stamp.literal(overlap.previous_start(self._state)),
            type=sql.trusted(stamp.type),
            clock=_CLOCK if stamp.zoned else _LOCAL_CLOCK,
            finite=q.SQL("true" if stamp.type == "bigint" else "{} < {}").format(
                stamp.quoted, stamp.literal("Infinity")
            ),
        )
        row = connection.execute(statement).fetchone()
        return (None, None) if row is None else (row[0], row[1])

    def _text(self, connection: Connection) -> "overlap.Literal":
        return lambda value: self._stamp.literal(value).as_string(connection)


_CLOCK = q.SQL("now()")
# Without a zone: the earlier of UTC and the zone the server gives its sessions.
_LOCAL_CLOCK = q.SQL(
    "least(now() AT TIME ZONE 'UTC', now() AT TIME ZONE (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'))"
)
_NORMAL = q.Composed([q.SQL("xmin::text::bigint > 2")])  # 1 and 2 mark rows older than every transaction


def _xid(facts: dict[str, Any]) -> q.Composed:
    """xmin in 64 bits: of the numbers with its 32 bits, the greatest the snapshot can have seen."""
    newest = q.Literal(int(facts["xmax"]) - 1)
    return q.SQL("({} - (({} - xmin::text::bigint) & 4294967295))").format(newest, newest)


def _together(connection: Connection, conditions: list[q.Composed]) -> str:
    return q.SQL(" AND ").join(conditions).as_string(connection)


def _reach(stamp: Stamp, seconds: float) -> float:
    return seconds if stamp.zoned else seconds + _ZONES


def _stamp(connection: Connection, definition: Definition, relation: catalog.Relation) -> Stamp:
    """The watermark column. Raises UsageError if it is of a type that has no order in time."""
    columns = catalog.columns_of(connection, relation.sql, catalog.asked_for(relation, definition))
    by_name = {column.name: column for column in columns}
    column = by_name.get(definition.watermark or "")
    if column is None:
        near = hint(definition.watermark or "", by_name, most=1)
        raise errors.UsageError(f"Column {definition.watermark} does not exist in {relation.label}.{near}")
    base = re.sub(r"\([^)]*\)", "", column.type)
    if base in _TIMES:
        return Stamp(column.name, base, "time")
    if base in _NUMBERS:
        return Stamp(column.name, _NUMBERS[base], "number")
    raise errors.UsageError(
        f"Column {column.name} of {relation.label} is {column.type}; a watermark is a date, a time stamp or a number "
        f"that grows with each change, or `{XMIN}`, which needs no column."
    )


def _unmarked(connection: Connection, relation: catalog.Relation) -> str | None:
    """Why the relation's rows do not tell the transaction that wrote them, as a sentence without its stop."""
    if relation.kind not in ("table", "partitioned table"):
        return f"The rows of a {relation.kind} do not tell the transaction that wrote them"
    kinds = connection.execute(
        sql.load(catalog.PACKAGE, "postgresql_watermark_leaves"), {"relation": relation.oid}
    ).fetchall()
    if kinds:
        return (
            f"{relation.label} has parts kept as {kinds[0][0]}, whose rows do not tell the transaction that wrote them"
        )
    return None


def _blind(connection: Connection, relation: catalog.Relation) -> tuple[str | None, bool]:
    """Why transactions cannot be seen here, as a sentence without its stop; and whether stamps come from elsewhere."""
    row = connection.execute(
        sql.load(catalog.PACKAGE, "postgresql_watermark_server"), {"relation": relation.oid}
    ).fetchone()
    assert row is not None
    standby, sees_all, sees_xmin, copied = row
    reason = None
    if standby:
        reason = "The source is a standby, which does not see the transactions open on its primary"
    elif not sees_all:
        reason = "The role may not see other sessions (GRANT pg_read_all_stats would let it)"
    elif not sees_xmin:
        reason = f"The role may read some columns of {relation.label} only, and xmin is not among them"
    return reason, copied


class _Blind(Exception):
    """Open transactions cannot be seen after all."""


def _open(connection: Connection) -> tuple[str, bool, str, str]:
    """Lower bound of open transactions' starts, whether one is prepared, system, timeline. Raises _Blind."""
    try:
        identity = connection.execute(sql.load(catalog.PACKAGE, "postgresql_watermark_identity")).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        raise _Blind("The role may not call pg_control_system(), which tells a restored source") from None
    # In this order: a transaction that is prepared meanwhile is met as open, in the other order not at all.
    open_ = connection.execute(sql.load(catalog.PACKAGE, "postgresql_watermark_open")).fetchone()
    prepared = connection.execute(sql.load(catalog.PACKAGE, "postgresql_watermark_prepared")).fetchone()
    assert identity is not None
    assert open_ is not None
    assert prepared is not None
    if open_[1]:
        raise _Blind("track_activities is off, at least for one session, which hides its transactions")
    return open_[0], prepared[0], identity[0], identity[1]


def _written(connection: Connection) -> tuple[str, float]:
    """Where the source's log ends, and when it will be on disk, in the clock of time.monotonic()."""
    row = connection.execute(sql.load(catalog.PACKAGE, "postgresql_watermark_written")).fetchone()
    assert row is not None
    return row[0], time.monotonic() + row[1]


def _await_flush(connection: Connection, place: str, until: float) -> None:
    """Wait until a crash cannot undo what was committed at `place`.

    With synchronous_commit off a commit is seen before it is on disk; undone, its number is given out again, to a
    transaction that would then pass for seen. What is not flushed at `until` is no commit.
    """
    flushed = sql.load(catalog.PACKAGE, "postgresql_watermark_flushed")
    while time.monotonic() < until and connection.execute(flushed, {"place": place}).fetchone() != (True,):
        time.sleep(_FLUSH_POLL)
