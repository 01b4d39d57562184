"""What forbids a build, found before anything is changed."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from extraction_agent import errors
from extraction_agent.postgres import Connection
from extraction_agent.tuning.indexes import catalog
from extraction_agent.tuning.indexes.catalog import Table
from extraction_agent.tuning.indexes.limits import Limits
from extraction_agent.tuning.indexes.place import Place
from extraction_agent.tuning.indexes.wanted import Wanted
from extraction_agent.tuning.indexes.work import Look

_SNAPSHOT_OF_OURS = "extraction-agent source"  # the application name of whoever holds one
_SETTLED = 1.0  # s, after which an idle transaction is no pause between two statements


@dataclass(frozen=True, slots=True)
class Prepared:
    """A wanted index, and what is there of it."""

    wanted: Wanted
    table: Table
    definition: str
    look: Look

    @property
    def there(self) -> bool:
        """It serves already, whoever made it."""
        return self.look.same is not None or (self.look.final is not None and self.look.final.valid)


def check(
    connection: Connection, place: Place, prepared: Sequence[Prepared], limits: Limits, ended: set[int]
) -> list[str]:
    """Raises Conflict with every reason, if there is one. Returns what could not be looked at, as sentences.

    ended: sessions that build for rollouts which have ended, and are about to be ended themselves.
    """
    to_build = [one for one in prepared if not one.there]
    if not to_build:
        return []
    notes: list[str] = []
    reasons = [reason for one in to_build if (reason := _of_table(one))]
    reasons += _of_others(connection, to_build, limits, ended, notes)
    reasons += _of_space(connection, to_build, limits, notes)
    if reasons:
        raise errors.Conflict(f"{place.where}: no index is built, and nothing was changed: {'; '.join(reasons)}.")
    return notes


def _of_table(one: Prepared) -> str | None:
    table = one.table
    obstacles = {
        one.look.obstacle: one.look.obstacle is not None,
        "the server is a standby, name its primary": table.standby,
        f"{table.label} is partitioned, and only its partitions can be indexed beside writers: name them": (
            table.kind == "p"
        ),
        f"{table.label} is no table": table.kind not in ("r", "p", "m"),
        f"{table.label} belongs to {table.owner}; this role must be a member of that one (GRANT)": not table.owned,
        f"this role may create nothing in the schema {table.schema} (GRANT CREATE ON SCHEMA)": not table.may_create,
    }
    return next((f"{one.wanted.name}: {obstacle}" for obstacle, met in obstacles.items() if met), None)


def _of_others(
    connection: Connection, to_build: Sequence[Prepared], limits: Limits, ended: set[int], notes: list[str]
) -> Iterator[str]:
    ours = ended | {one.look.build.pid for one in to_build if one.look.build is not None}
    for build in catalog.builds(connection):
        if build.pid not in ours:
            by = f" of {build.user}" if build.user else ""
            yield f"session {build.pid}{by} builds another index in this database ({build.words}): wait for its end"
    if not catalog.sees_all(connection):
        notes.append(
            "This role does not see how long transactions of others stand (GRANT pg_read_all_stats would let it)."
        )
    standing = [
        one
        for one in catalog.transactions(connection, min(_SETTLED, limits.transaction_seconds))
        if one.seconds >= limits.transaction_seconds or _holds_snapshot(one)
    ]
    for transaction in standing[:3]:
        yield transaction.words + _advice(transaction)
    if len(standing) > 3:
        yield f"and {len(standing) - 3} more transactions do"


def _holds_snapshot(transaction: catalog.Transaction) -> bool:
    """Of ours, for as long as an extraction takes; the transaction of a chunk is hardly ever met idle."""
    return transaction.application == _SNAPSHOT_OF_OURS and transaction.state == "idle in transaction"


def _advice(transaction: catalog.Transaction) -> str:
    if transaction.pid is None:
        return " (COMMIT PREPARED or ROLLBACK PREPARED ends it)"
    if _holds_snapshot(transaction):
        return ": an extraction holds a snapshot, which an index has to wait for; let it end, or cancel it"
    return ", which an index has to wait for: let it end, or end it"


def _of_space(connection: Connection, to_build: Sequence[Prepared], limits: Limits, notes: list[str]) -> Iterator[str]:
    """Each index, and the largest once more, as runs on disk while it is sorted."""
    sizes = [catalog.size(connection, one.table, one.wanted.columns) for one in to_build]
    needed = sum(sizes) + max(sizes)
    free, where = limits.free_bytes, ""
    if free is None and (folder := catalog.place(connection)) is not None:
        with suppress(OSError):
            disk = os.statvfs(folder)
            free, where = disk.f_bavail * disk.f_frsize, f" in {folder}"
    if free is None:
        notes.append(f"About {words(needed)} are needed; how much is free is not known: --free-bytes says it.")
    elif needed > free:
        yield f"about {words(needed)} are needed, sorting included, and {words(free)} are free{where}"


def words(size: float) -> str:
    """Bytes for people."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
