"""Source and store of a benchmark: two servers on this machine, one table of ten columns, and the check of a copy."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, LiteralString

import psycopg
from psycopg import sql as q

from extraction_agent import embedded
from extraction_agent.sql import trusted

Kind = Literal["typed", "json"]
KINDS: tuple[Kind, ...] = ("typed", "json")
TABLE = "item"
COLUMNS = ("id", "account", "name", "city", "amount", "created_at", "note", "active", "score", "day")
SETTINGS = {
    "shared_buffers": "'1GB'",
    "max_wal_size": "'8GB'",
    "checkpoint_timeout": "'15min'",
    "timezone": "'UTC'",
}  # fsync, synchronous_commit, full_page_writes and autovacuum as shipped: on
_CREATE: LiteralString = """
CREATE TABLE item (
    id bigint, account integer, name text, city text, amount numeric(12, 2), created_at timestamptz,
    note text, active boolean, score double precision, day date
)
"""
_FILL: LiteralString = """
INSERT INTO item
SELECT
    n, n %% 9973, 'customer ' || n, (ARRAY['Köln', 'Lyon', 'Ōsaka', 'Łódź', 'Quito'])[1 + n %% 5], n %% 1000003 / 100.0,
    timestamptz '2020-01-01' + n * interval '1.37 seconds',
    CASE WHEN n %% 3 > 0 THEN 'note ' || md5(n::text) END, n %% 7 = 0, sqrt(n), date '2000-01-01' + (n %% 9000)::int
FROM generate_series(1::bigint, %(rows)s) AS n
"""
# The same value whatever type a tool has given the column; numeric loses trailing zeros on both sides.
_HASH: LiteralString = """
SELECT count(*), coalesce(sum(hashtextextended(ROW(
    id::bigint, account::integer, name::text, city::text, trim_scale(amount::numeric), created_at::timestamptz,
    note::text, active::boolean, score::double precision, day::date
)::text, 0)), 0) FROM {}
"""
_HASH_JSON: LiteralString = "SELECT count(*), coalesce(sum(hashtextextended(data::text, 0)), 0) FROM {}"

Content = tuple[int, int]  # rows, and the sum of their hashes


@dataclass(slots=True)
class Bench:
    """Two running servers with the source table filled."""

    folder: Path
    source: embedded.Server
    store: embedded.Server
    rows: int = 0
    content: dict[Kind, Content] | None = None

    @property
    def source_url(self) -> str:
        return self.source.url()

    @property
    def target_url(self) -> str:
        return self.store.url("target")

    def fill(self, rows: int) -> None:
        """Make the source table anew, as it would stand after a while: analyzed, hint bits set, checkpointed."""
        run(self.source_url, "DROP TABLE IF EXISTS item", _CREATE)
        with psycopg.connect(self.source_url, autocommit=True) as connection:
            connection.execute(_FILL, {"rows": rows})
        run(self.source_url, "ALTER TABLE item ADD PRIMARY KEY (id)", "VACUUM (FREEZE, ANALYZE) item", "CHECKPOINT")
        self.rows = rows
        self.content = {
            "typed": content(self.source_url, "typed", TABLE),
            "json": content(self.source_url, "json", "(SELECT row_to_json(item) AS data FROM item) AS record"),
        }

    def table_bytes(self) -> int:
        with psycopg.connect(self.source_url) as connection:
            row = connection.execute("SELECT pg_table_size('item')").fetchone()
        assert row is not None
        return int(row[0])

    def server_version(self) -> str:
        with psycopg.connect(self.store.url()) as connection:
            version = connection.info.server_version
        return f"{version // 10000}.{version % 10000}"


@contextmanager
def servers(bin_directory: Path | None = None, *, store_settings: Mapping[str, str] | None = None) -> Iterator[Bench]:
    """Two servers, gone at the end. store_settings: of the store's, beside SETTINGS."""
    with (
        embedded.folder() as folder,
        embedded.Server(folder / "source", SETTINGS, bin_directory) as source,
        embedded.Server(folder / "store", {**SETTINGS, **(store_settings or {})}, bin_directory) as store,
    ):
        yield Bench(folder, source, store)


def run(url: str, *statements: LiteralString) -> None:
    """Execute statements, each in a transaction of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def make_template(bench: Bench, name: str) -> str:
    """An empty database for a contestant's tables, copied for each of its runs. Returns its URL."""
    with psycopg.connect(bench.store.url(), autocommit=True) as connection:
        connection.execute(q.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(q.Identifier(name)))
        connection.execute(q.SQL("CREATE DATABASE {} TEMPLATE template0").format(q.Identifier(name)))
    return bench.store.url(name)


def fresh_target(bench: Bench, template: str) -> None:
    """A target database from a contestant's template; then both servers at rest, nothing left to write."""
    with psycopg.connect(bench.store.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS target WITH (FORCE)")
        connection.execute(q.SQL("CREATE DATABASE target TEMPLATE {}").format(q.Identifier(template)))
        connection.execute("CHECKPOINT")
    run(bench.source_url, "CHECKPOINT")


def content(url: str, kind: Kind, relation: str) -> Content:
    """Rows and their hash by SQL that no contestant shares. relation: what stands after FROM."""
    statement = q.SQL(_HASH if kind == "typed" else _HASH_JSON).format(trusted(relation))
    with psycopg.connect(url) as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def plain_table(url: str) -> None:
    """A table of the same columns, without an index."""
    run(url, _CREATE)
