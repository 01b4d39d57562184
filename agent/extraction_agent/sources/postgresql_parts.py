"""The tables that hold a relation's rows, and which of them the last run of an incremental config did not know.

A row written before that run, in a table that only now is a part of the relation, is not told by its transaction. So a
part that is new is taken whole, and one that is back by the marks of the run that saw it last.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import sql as q

from extraction_agent import sql
from extraction_agent.model import Chunk, Plan
from extraction_agent.postgres import Connection
from extraction_agent.sources import postgresql_catalog as catalog

State = dict[str, Any]

_MARKS = ("low", "xmin", "seen", "seconds")  # of a state: what tells the rows that came after it
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Leaf:
    """A table with rows of its own. name: quoted; readable: whether it may be read by itself."""

    oid: int
    name: str
    blocks: int
    readable: bool

    def chunk(self, condition: str) -> Chunk:
        """What of it fulfils the condition."""
        if self.readable:
            return Chunk(part=self.name, condition=condition)
        return Chunk(condition=f"tableoid = {self.oid} AND {condition}")


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a relation's leaves since a run. back: with the marks of the run that saw each last."""

    new: tuple[Leaf, ...] = ()
    back: tuple[tuple[Leaf, State], ...] = ()

    @property
    def apart(self) -> q.Composed:
        """The condition of rows that lie elsewhere."""
        oids = [*(leaf.oid for leaf in self.new), *(leaf.oid for leaf, _marks in self.back)]
        return q.SQL("tableoid <> ALL ({}::oid[])").format(q.Literal(oids))

    @property
    def whole(self) -> list[Chunk]:
        """All that is new; what may not be read by itself by one reading of the relation."""
        hidden = ", ".join(str(leaf.oid) for leaf in self.new if not leaf.readable)
        chunks = [Chunk(part=leaf.name) for leaf in self.new if leaf.readable]
        return [*chunks, Chunk(condition=f"tableoid IN ({hidden})")] if hidden else chunks

    @property
    def note(self) -> str:
        names = ", ".join(leaf.name for leaf in self.new[:_MOST_NAMED])
        more = len(self.new) - _MOST_NAMED
        and_more = f" and {more:,} more" if more > 0 else ""
        return f"No part of what was read before, and so taken whole: {names}{and_more}."


def leaves(connection: Connection, relation: catalog.Relation) -> list[Leaf]:
    """A relation's own table, its partitions and children that hold rows, as the transaction's snapshot has them."""
    rows = connection.execute(sql.load(catalog.PACKAGE, "postgresql_leaves"), {"relation": relation.oid})
    return [Leaf(*row) for row in rows]


def since(state: State, now: Iterable[Leaf], *, numbered: bool) -> Change:
    """What changed since the run that ended with `state`. One that kept no leaves, as of an older version: nothing.

    numbered: the numbers of that run's transactions mean the same here; else a part that is back counts as new.
    """
    if "leaves" not in state:
        return Change()
    known, gone = set(state["leaves"]), state["gone"] if numbered else {}
    other = [leaf for leaf in now if leaf.oid not in known and leaf.blocks]  # one made in advance needs no chunk
    return Change(
        tuple(leaf for leaf in other if str(leaf.oid) not in gone),
        tuple((leaf, gone[str(leaf.oid)]) for leaf in other if str(leaf.oid) in gone),
    )


def kept(connection: Connection, state: State | None, now: Iterable[Leaf]) -> State:
    """What the next run must know: the leaves, and the marks of those that are gone but may come back.

    state: of the run before, if its transactions' numbers mean the same here.
    """
    oids = [leaf.oid for leaf in now]
    gone: State = {}
    if state is not None and "leaves" in state:
        marks = {name: state[name] for name in _MARKS}
        gone = {**state["gone"], **{str(oid): marks for oid in state["leaves"]}}
        away = [int(oid) for oid in gone if int(oid) not in set(oids)]
        there = connection.execute(sql.load(catalog.PACKAGE, "postgresql_tables_there"), {"oids": away})
        gone = {str(oid): gone[str(oid)] for (oid,) in there}
    return {"leaves": oids, "gone": gone}


def attached(connection: Connection, plan: Plan) -> list[str]:
    """Names of partitions that statements read by now, though they were none in the transaction's snapshot."""
    if plan.method == "ctid":  # each part was named when it was cut
        return []
    names = unlike(connection, plan)  # beneath a view or a query
    if plan.oid is not None:
        statement = sql.load(catalog.PACKAGE, "postgresql_attached")
        names += [name for (name,) in connection.execute(statement, {"relation": plan.relation})]
    return list(dict.fromkeys(names))


def unlike(connection: Connection, plan: Plan) -> list[str]:
    """Names of tables this session has locked that are no longer what its snapshot knows."""
    statement = sql.load(catalog.PACKAGE, "postgresql_unlike")
    return [name for (name,) in connection.execute(statement, {"partitions": plan.method != "ctid"})]
