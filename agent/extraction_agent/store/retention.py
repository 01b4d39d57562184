"""Retires finished extractions: their rows, chunks and jobs. Watermarks stay with their configs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql as q

from extraction_agent import deadlines, errors, sql
from extraction_agent.model import Format, Status
from extraction_agent.store.store import Store

_QUERIES = "extraction_agent.store.queries"


@dataclass(frozen=True, slots=True)
class Prunable:
    """A finished extraction that may go."""

    extraction_id: int
    config: str
    status: Status
    finished_at: datetime
    target: str  # the table its rows are in, quoted
    part: str | None  # its own part of that table, quoted
    format: Format
    rows: int
    has_watermark: bool  # the config's watermark is of this run
    passed: bool  # the config has a watermark, whose next run begins after these rows

    @property
    def action(self) -> str:
        """How its rows go."""
        table = (self.part or self.target).replace('"', "")
        return f"dropped with {table}" if self.part is not None else f"deleted in {table}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "extraction_id": self.extraction_id,
            "config": self.config,
            "status": self.status.value,
            "finished_at": self.finished_at.isoformat(),
            "rows": self.rows,
            "action": self.action,
            "watermark_kept": self.has_watermark,
        }


def prunable(
    store: Store, older_than_seconds: float, config_id: int | None, keep: int, only: Iterable[int] | None = None
) -> list[Prunable]:
    """Finished extractions older than that, but for the newest `keep` successes of each config."""
    values = {
        "seconds": older_than_seconds,
        "config_id": config_id,
        "keep": keep,
        "extraction_ids": None if only is None else list(only),
    }
    with store.transaction():
        rows = store.connection.execute(sql.load(_QUERIES, "prunable"), values).fetchall()
    return [Prunable(row[0], row[1], Status(row[2]), row[3], row[4], row[5], Format(row[6]), *row[7:]) for row in rows]


def retire(store: Store, found: list[Prunable]) -> list[Prunable]:
    """Remove extractions: those with a part one by one, those that share a table in one DELETE.

    Returns those that are gone; one that is resumed, or whose records are being read, at this moment stays.
    """
    shared: dict[str, list[Prunable]] = {}
    retired: list[Prunable] = []
    for one in found:
        if one.part is not None:
            retired += _retire(store, [one])
        else:
            shared.setdefault(one.target, []).append(one)
    for together in shared.values():
        retired += _retire(store, together)
    return sorted(retired, key=lambda one: one.extraction_id)


def _retire(store: Store, found: list[Prunable]) -> list[Prunable]:
    """Extractions of one target, in one transaction; none while somebody uses what is to be dropped.

    A DROP that waits lets nobody else in: behind one long reader of the records all others would stand still.
    """
    try:
        with store.connection.within(deadlines.INDEX), store.transaction():
            return _remove(store, found)
    except errors.StoreUnavailable as failed:
        if not isinstance(failed.__cause__, psycopg.errors.LockNotAvailable):
            raise
        return []


def _remove(store: Store, found: list[Prunable]) -> list[Prunable]:
    connection = store.connection
    wanted = {"extraction_ids": [one.extraction_id for one in found]}
    connection.execute(sql.load(_QUERIES, "short_waits"))
    now = {row[0]: row[1:] for row in connection.execute(sql.load(_QUERIES, "lock_prunable"), wanted)}
    # As it was found: one that was resumed meanwhile, and has ended again, was not asked about.
    going = [one for one in found if now.get(one.extraction_id) == (one.status, one.finished_at, one.part)]
    locked = {"extraction_ids": [one.extraction_id for one in going]}
    for one in going:
        if one.part is not None:
            connection.execute(q.SQL(sql.load(_QUERIES, "drop_part")).format(part=sql.trusted(one.part)))
    if going and going[0].part is None and _exists(store, going[0].target):
        statement = q.SQL(sql.load(_QUERIES, "delete_rows")).format(
            table=sql.trusted(going[0].target), extraction=q.Identifier(going[0].format.extraction_column)
        )
        connection.execute(statement, locked)
    connection.execute(sql.load(_QUERIES, "delete_jobs"), locked)
    connection.execute(sql.load(_QUERIES, "delete_extractions"), locked)
    if going:  # one entry, however many: each lengthens the commit
        gone = [{"id": one.extraction_id, "config": one.config, "rows": one.rows} for one in going]
        what = f"extraction {going[0].extraction_id}" if len(going) == 1 else f"{len(going)} extractions"
        store.audit(None, "extraction.pruned", what, before={"extractions": gone})
    return going


def _exists(store: Store, table: str) -> bool:
    return store.connection.execute(sql.load(_QUERIES, "table_exists"), {"name": table}).fetchone() == (True,)


def forget_config(store: Store, config_id: int, typed_table: str | None) -> None:
    """Remove a config that has no extraction left, its watermark and its typed table."""
    with store.transaction():
        if typed_table is not None:
            store.connection.execute(q.SQL(sql.load(_QUERIES, "drop_part")).format(part=sql.trusted(typed_table)))
        row = store.connection.execute(sql.load(_QUERIES, "delete_config"), {"config_id": config_id}).fetchone()
        if row is not None:
            names = ("source_type", "source_url", "secret", "definition")
            store.audit(None, "config.deleted", f"config {row[0]}", before=dict(zip(names, row[1:], strict=True)))
