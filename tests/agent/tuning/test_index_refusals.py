"""What forbids an index, told before anything is changed."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from agent.tuning.index_bench import NAME, Side, begin, catalog, profile, remains, transaction, until
from extraction_agent import errors
from extraction_agent.model import Consistency, Definition
from extraction_agent.sources import open_source
from extraction_agent.store.rollout_rows import IndexState
from extraction_agent.store.store import Store
from extraction_agent.tuning.indexes.limits import Limits
from extraction_agent.tuning.indexes.place import Place
from support import Database


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (f"CREATE INDEX {NAME} ON item (id, at)", "its name is taken by another definition"),
        (f"CREATE UNIQUE INDEX {NAME} ON item (at, id)", "its name is taken by another definition"),
        (f"CREATE INDEX {NAME} ON item (at, id) WHERE id > 0", "its name is taken by another definition"),
        (f"CREATE INDEX {NAME} ON item (at DESC, id)", "its name is taken by another definition"),
        (f"CREATE INDEX {NAME} ON other (n)", "its name is taken by another definition"),
        (f"CREATE TABLE {NAME} ()", "something that is no index bears its name"),
    ],
)
def test_a_taken_name_is_refused_before_anything_changes(
    side: Side, filled: Database, statement: Any, told: str
) -> None:
    filled.run(statement)
    before = catalog(filled)
    with pytest.raises(errors.Conflict, match=f"nothing was changed: {NAME}: {told}"):
        side.apply()
    assert catalog(filled) == before
    assert side.store.rollout_indexes(side.rollout.id) == []


def test_somebodys_failed_build_is_refused(side: Side, filled: Database) -> None:
    with (
        transaction(filled, "UPDATE item SET name = name WHERE id = 1"),
        psycopg.connect(filled.url, autocommit=True) as other,
    ):
        other.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(f"CREATE INDEX CONCURRENTLY {NAME} ON item (at, id)".encode())
    assert remains(filled) == [(NAME, False)]
    with pytest.raises(errors.Conflict, match=r"of that name is INVALID, left by somebody's failed build"):
        side.apply()
    assert remains(filled) == [(NAME, False)]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"table": "itme"}, "There is no table or view itme at the source. Did you mean item"),
        ({"columns": ["att"]}, "Column att does not exist in table public.item. Did you mean at?"),
    ],
)
def test_what_is_not_there_is_told(opened: Store, filled: Database, wanted: dict[str, Any], told: str) -> None:
    side = Side(opened, Place.source(filled.url), begin(opened, profile(filled, **wanted)))
    with pytest.raises(errors.UsageError, match=told):
        side.apply()
    assert opened.rollout_indexes(side.rollout.id) == []


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("CREATE TABLE made (at int, id int) PARTITION BY RANGE (id)", "partitioned, and only its partitions"),
        ("CREATE VIEW made AS SELECT 1 AS at, 2 AS id", "public.made is no table"),
    ],
)
def test_what_cannot_be_indexed(opened: Store, filled: Database, statement: Any, told: str) -> None:
    filled.run(statement)
    side = Side(opened, Place.source(filled.url), begin(opened, profile(filled, table="made")))
    with pytest.raises(errors.Conflict, match=told):
        side.apply()


def test_a_type_without_an_order(opened: Store, filled: Database) -> None:
    filled.run("CREATE TABLE made (at json, id int)")
    side = Side(opened, Place.source(filled.url), begin(opened, profile(filled, table="made")))
    with pytest.raises(errors.SourceError, match="data type json has no default operator class"):
        side.apply()
    assert remains(filled) == []
    side.abort()
    side.undo()
    assert [one.state for one in opened.rollout_indexes(side.rollout.id)] == [IndexState.DROPPED]


@pytest.fixture
def lesser(filled: Database) -> Iterator[str]:
    """The URL of a role that may log in, and its name."""
    role = f"lesser_of_{filled.value('SELECT current_database()')}"
    filled.run(f"CREATE ROLE {role} LOGIN")
    yield role
    filled.run(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_role_that_does_not_own_the_table(opened: Store, filled: Database, lesser: str) -> None:
    place = Place.source(filled.url.replace("//postgres@", f"//{lesser}@"))
    side = Side(opened, place, begin(opened, profile(filled)))
    with pytest.raises(errors.Conflict, match=r"public.item belongs to postgres; this role must be a member of that"):
        side.apply()
    filled.run(f"ALTER TABLE item OWNER TO {lesser}")
    with pytest.raises(errors.Conflict, match=r"may create nothing in the schema public \(GRANT CREATE ON SCHEMA\)"):
        side.apply()
    filled.run(f"GRANT CREATE ON SCHEMA public TO {lesser}")
    report = side.apply()
    assert report.changed
    assert report.notes[0].startswith("This role does not see how long transactions of others stand")
    filled.run("ALTER TABLE item OWNER TO postgres")


def test_a_long_transaction_forbids_it(side: Side, filled: Database) -> None:
    with transaction(filled, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "TABLE other"):
        until(
            lambda: filled.value(
                "SELECT max(now() - xact_start) > '1 s' FROM pg_stat_activity "
                "WHERE backend_xmin IS NOT NULL AND datname = current_database()"
            ),
            "a second",
        )
        with pytest.raises(errors.Conflict, match=r"session \d+ of postgres has a transaction open for \d s, which"):
            side.apply(Limits(transaction_seconds=1))
        assert side.store.rollout_indexes(side.rollout.id) == []
    assert side.apply(Limits(transaction_seconds=1)).changed


def test_a_prepared_transaction_forbids_it(side: Side, filled: Database) -> None:
    filled.run("BEGIN; INSERT INTO other VALUES (1); PREPARE TRANSACTION 'forgotten'")
    with pytest.raises(errors.Conflict, match=r"prepared transaction forgotten of postgres .* ROLLBACK PREPARED"):
        side.apply(Limits(transaction_seconds=0))
    filled.run("ROLLBACK PREPARED 'forgotten'")


def test_a_snapshot_of_ours_forbids_it(side: Side, filled: Database) -> None:
    definition = Definition(table="item", consistency=Consistency.SNAPSHOT)
    planned = open_source(filled.url).plan(definition, 100, None)
    assert planned.snapshot is not None
    try:
        time.sleep(1.1)
        with pytest.raises(errors.Conflict, match="an extraction holds a snapshot, which an index has to wait for"):
            side.apply()
    finally:
        planned.snapshot.close()


def test_a_disk_that_is_too_small_forbids_it(side: Side) -> None:
    with pytest.raises(errors.Conflict, match=r"about \d+\.\d KB are needed, sorting included, and 1\.0 KB are free"):
        side.apply(Limits(free_bytes=1000))
    assert side.apply(Limits(free_bytes=1_000_000)).changed


def test_a_mysql_is_refused() -> None:
    with pytest.raises(errors.UsageError, match="at PostgreSQL only, and this source is mysql"):
        Place.source("mysql://root@127.0.0.1/shop")
