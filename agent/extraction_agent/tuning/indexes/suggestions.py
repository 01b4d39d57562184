"""Full scans that extractions of a source bring, and the indexes that would answer them."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from psycopg import sql as q

from extraction_agent import errors, postgres, sql
from extraction_agent.postgres import Connection
from extraction_agent.sources import kind_of, postgresql_catalog
from extraction_agent.store.store import Config, Store
from extraction_agent.tuning.indexes import catalog
from extraction_agent.tuning.indexes.place import SQL, Place
from extraction_agent.tuning.indexes.work import Work

_LEAST_BYTES = 8 * 1024 * 1024  # a full scan of less is over before anybody notices
_PAGE = 1000  # configs
_LONGEST = 63  # bytes of a name


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An index that would serve."""

    config: str
    database: str
    table: str
    columns: tuple[str, ...]
    name: str
    reason: str
    rows: int  # of the table, estimated
    table_bytes: int
    index_bytes: int  # estimated
    statement: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "config": self.config,
            "database": self.database,
            "table": self.table,
            "columns": list(self.columns),
            "name": self.name,
            "reason": self.reason,
            "rows": self.rows,
            "table_bytes": self.table_bytes,
            "index_bytes": self.index_bytes,
            "statement": self.statement,
        }


def suggestions(store: Store, work: Work) -> tuple[list[Suggestion], list[str]]:
    """Of the source's configs in the store; and what could not be looked at, as sentences."""
    found: dict[tuple[str, tuple[str, ...]], Suggestion] = {}
    notes: list[str] = []
    for config in _configs(store, work.place):
        try:
            with work.place.translated():
                for one in _of(work.connection, work.place, config):
                    found.setdefault((one.table, one.columns), one)
        except errors.ExtractionError as error:
            notes.append(f"Config {config.name} could not be looked at: {error}")
    return sorted(found.values(), key=lambda one: -one.table_bytes), notes


def _configs(store: Store, place: Place) -> Iterator[Config]:
    after = 0
    while page := store.configs(after, _PAGE):
        after = page[-1].id
        for config in page:
            of_kind = kind_of(config.source_url) == "postgresql" and config.definition.table is not None
            if of_kind and postgres.address(config.source_url, "source") == place.where:
                yield config


def _of(connection: Connection, place: Place, config: Config) -> Iterator[Suggestion]:
    definition = config.definition
    relation = postgresql_catalog.find(connection, definition)
    if not relation.has_blocks:
        return
    asked: list[tuple[tuple[str, ...], str]] = []
    if definition.watermark and definition.watermark != "xmin":
        asked.append(((definition.watermark,), f"each incremental run looks for new rows by {definition.watermark}"))
    if definition.key and definition.key != postgresql_catalog.BLOCKS:
        asked.append((definition.key, f"each chunk looks for a range of {', '.join(definition.key)}"))
    for columns, why in asked:
        for label, rows in _full_scans(connection, relation.sql, columns):
            table = catalog.table(connection, label, columns)
            bytes_ = _bytes(connection, table)
            if bytes_ < _LEAST_BYTES:
                continue
            name = _name(table.name, columns)
            yield Suggestion(
                config=config.name,
                database=place.database,
                table=table.label,
                columns=columns,
                name=name,
                reason=f"{why}, and no index begins with that: a full scan of {rows:,} rows",
                rows=rows,
                table_bytes=bytes_,
                index_bytes=catalog.size(connection, table, columns),
                statement=catalog.definition(connection, name, table, columns).replace(
                    "CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1
                ),
            )


def _full_scans(connection: Connection, relation: q.Composable, columns: tuple[str, ...]) -> list[tuple[str, int]]:
    """Tables read as a whole, quoted, and their rows."""
    listed = q.SQL(", ").join(map(q.Identifier, columns))
    row = connection.execute(q.SQL(sql.load(SQL, "explain")).format(columns=listed, relation=relation)).fetchone()
    assert row is not None
    parsed = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return [
        (q.Identifier(node["Schema"], node["Relation Name"]).as_string(), int(node["Plan Rows"]))
        for node in _nodes(parsed[0]["Plan"])
        if node["Node Type"] == "Seq Scan"
    ]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def _bytes(connection: Connection, table: catalog.Table) -> int:
    row = connection.execute(sql.load(SQL, "bytes"), {"table": table.oid}).fetchone()
    assert row is not None
    return int(row[0])


def _name(table: str, columns: tuple[str, ...]) -> str:
    """One that a profile may give: of a longer one the beginning, and a digest of the whole."""
    name = re.sub(r"[^a-z0-9_]+", "_", "_".join(["idx", table, *columns]).lower())
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
