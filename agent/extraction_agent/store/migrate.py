"""Brings a store to the version this program needs, one numbered file after the other."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from procrastinate.schema import SchemaManager

from extraction_agent import deadlines, errors, sql
from extraction_agent.postgres import Connection

_MIGRATIONS = "extraction_agent.store.migrations"
_QUERIES = "extraction_agent.store.queries"
OLDEST_SERVER = 140000


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def shipped() -> list[Migration]:
    """All migrations of this program, by number."""
    names = sorted(item.name for item in files(_MIGRATIONS).iterdir() if item.name.endswith(".sql"))
    return [Migration(int(name[:4]), name[5:-4], sql.load(_MIGRATIONS, name.removesuffix(".sql"))) for name in names]


def current(connection: Connection) -> dict[int, str]:
    """Applied versions and their checksums; empty: not a store yet."""
    row = connection.execute(sql.load(_QUERIES, "has_schema")).fetchone()
    if row is None or not row[0]:
        return {}
    return dict(connection.execute(sql.load(_QUERIES, "schema_versions")).fetchall())


def check(connection: Connection) -> None:
    """Raise UsageError unless the store is exactly at this program's version."""
    applied = current(connection)
    migrations = shipped()
    newest = migrations[-1].version
    if not applied:
        raise errors.UsageError("The store is empty: prepare it with `extractctl store init --store URL`.")
    if max(applied) > newest:
        raise errors.UsageError(
            f"The store is at version {max(applied)} and this program knows {newest}: it is too old for this store. "
            "Upgrade the program."
        )
    if max(applied) < newest:
        raise errors.UsageError(
            f"The store is at version {max(applied)} and this program needs {newest}: "
            "run `extractctl store init --store URL` to upgrade it."
        )
    changed = [m for m in migrations if applied.get(m.version) != m.checksum]
    if changed:
        raise errors.UsageError(
            f"Migration {changed[0].version:04d} of the store is not the one this program ships: the store was "
            "prepared by another build. Use that build, or a fresh store."
        )


def migrate(connection: Connection) -> list[Migration]:
    """Apply what is missing, in one transaction under a lock. Returns what was applied. Raises UsageError."""
    applied: list[Migration] = []
    if connection.info.server_version < OLDEST_SERVER:
        raise errors.UsageError(
            f"The store is PostgreSQL {connection.info.server_version // 10000}; it must be 14 or newer."
        )
    with connection.within(deadlines.PLAN), connection.transaction():
        connection.execute(sql.load(_QUERIES, "lock_schema"))
        before = current(connection)
        if before and max(before) > shipped()[-1].version:
            check(connection)
        if not before:
            connection.execute(sql.load(_QUERIES, "create_schema_table"))
        row = connection.execute(sql.load(_QUERIES, "has_queue")).fetchone()
        if row is None or not row[0]:
            connection.execute(SchemaManager.get_schema())
        for migration in shipped():
            if migration.version not in before:
                connection.execute(migration.text.encode())
                connection.execute(
                    sql.load(_QUERIES, "record_version"),
                    {"version": migration.version, "name": migration.name, "checksum": migration.checksum},
                )
                applied.append(migration)
    return applied
