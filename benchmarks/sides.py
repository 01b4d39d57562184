"""What each profile works on: a store of its own, alike but for its indexes, filled as one in use would be."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg
import yaml
from psycopg import sql as q

from benchmarks import bench as b
from benchmarks.service import Moved
from benchmarks.users import Asked
from extraction_agent.model import Consistency, Definition, Format, Plan
from extraction_agent.pipeline.prune import prune_these
from extraction_agent.profiles import Profile
from extraction_agent.store.store import Store
from extraction_agent.tuning.indexes.wanted import OF_STORE

STORE_SETTINGS = {"shared_preload_libraries": "'pg_stat_statements'"}
SMALL = "offered"  # a table of the source, for many small extractions
_TEMPLATE = "history"
_EACH = 100  # records of a past extraction
_PER_CONFIG = 20  # past extractions of a config
_FAILED_EVERY = 50  # of them
_SETTLE = 0.5  # s between a checkpoint and a run
_FILL: tuple[LiteralString, ...] = (
    "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
    """
    INSERT INTO extraction_configs (name, source_type, source_url, definition)
    SELECT 'past-' || n, (ARRAY['postgresql', 'postgresql', 'mysql', 'sqlite'])[1 + n %% 4],
           'postgresql://reader@127.0.0.1:1/none', %(definition)s::jsonb
    FROM generate_series(1, %(configs)s) AS n
    """,
    """
    INSERT INTO extractions (config_id, status, created_at, started_at, finished_at, plan, profile, target)
    SELECT 1 + n %% %(configs)s, CASE n %% %(failed_every)s WHEN 0 THEN 'failed' ELSE 'succeeded' END,
           at, at, at + interval '2 seconds', %(plan)s::jsonb, '{}', 'extraction_data'
    FROM generate_series(1, %(extractions)s) AS n,
         LATERAL (SELECT now() - (%(extractions)s - n) * interval '10 minutes' AS at) AS moment
    """,
    """
    INSERT INTO extraction_chunks (extraction_id, chunk_no, range, state, attempt, rows, bytes, hash)
    SELECT id, 0, '{}', 'done', 1, %(each)s, 150 * %(each)s, 0 FROM extractions
    """,
    """
    INSERT INTO extraction_data (extraction_id, data, extracted_at, chunk_no)
    SELECT e.id, json_build_object('id', n, 'name', 'customer ' || n, 'note', md5(n::text), 'amount', n * 1.25,
                                   'city', 'Köln', 'active', n %% 7 = 0, 'score', sqrt(n)), e.created_at, 0
    FROM extractions AS e CROSS JOIN generate_series(1, %(each)s) AS n
    ORDER BY e.id
    """,
)


@dataclass(frozen=True, slots=True)
class Side:
    """One profile, the file that the daemon reads it from, and the store that it works on."""

    profile: Profile
    file: Path
    store_url: str

    @property
    def name(self) -> str:
        return self.profile.name

    @property
    def is_old_way(self) -> bool:
        return self.profile.settings.reading.method == "offset"


def past(stored_rows: int) -> Asked:
    """The configs and extractions that a store with so many records has."""
    extractions = max(stored_rows // _EACH, _PER_CONFIG)
    return Asked(extractions // _PER_CONFIG, extractions, _FAILED_EVERY)


def prepare(bench: b.Bench, profiles: Sequence[Profile], stored_rows: int, small_rows: int) -> list[Side]:
    """Fill a store and copy it for each profile, with the indexes that the profile names; cut the source's SMALL."""
    cut(bench, SMALL, small_rows)
    url = b.make_template(bench, _TEMPLATE)
    with Store(url, check=False) as store:
        store.migrate()
    asked = past(stored_rows)
    plan = Plan(
        method="whole", relation="item", columns=(), format=Format.JSON, consistency=Consistency.CHUNK,
        chunk_rows=_EACH, estimated_rows=_EACH, reason="past",
    )  # fmt: skip
    values = {
        "configs": asked.configs,
        "extractions": asked.extractions,
        "failed_every": asked.failed_every,
        "each": _EACH,
        "definition": json.dumps(Definition(table="item").model_dump(mode="json")),
        "plan": json.dumps(plan.model_dump(mode="json")),
    }
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _FILL:
            connection.execute(statement, values)
        connection.execute("VACUUM (FREEZE, ANALYZE)")
    return [_side(bench, profile) for profile in profiles]


def cut(bench: b.Bench, table: str, rows: int) -> None:
    """A table of the source with the first rows of the large one."""
    name = q.Identifier(table)
    with psycopg.connect(bench.source_url, autocommit=True) as connection:
        for statement in (
            q.SQL("DROP TABLE IF EXISTS {}").format(name),
            q.SQL("CREATE TABLE {} AS SELECT * FROM item WHERE id <= {}").format(name, q.Literal(rows)),
            q.SQL("ALTER TABLE {} ADD PRIMARY KEY (id)").format(name),
            q.SQL("VACUUM (FREEZE, ANALYZE) {}").format(name),
        ):
            connection.execute(statement)


def _side(bench: b.Bench, profile: Profile) -> Side:
    database = f"store_{profile.name}"
    with psycopg.connect(bench.store.url(), autocommit=True) as connection:
        connection.execute(
            q.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                q.Identifier(database), q.Identifier(_TEMPLATE)
            )
        )
    url = bench.store.url(database)
    with psycopg.connect(url, autocommit=True) as connection:
        for name in profile.settings.indexes.store:
            index = OF_STORE[name]
            connection.execute(
                q.SQL("CREATE INDEX {} ON {} ({})").format(
                    q.Identifier(index.name),
                    q.Identifier(index.table),
                    q.SQL(", ").join(map(q.Identifier, index.columns)),
                )
            )
        connection.execute("VACUUM (ANALYZE)")
    file = bench.folder / f"{profile.name}.yml"
    file.write_text(yaml.safe_dump(profile.model_dump(mode="json")), encoding="utf-8")
    return Side(profile, file, url)


def rest(bench: b.Bench, side: Side, extraction_ids: list[int]) -> None:
    """Take back what was extracted; then both servers at rest, nothing left to write."""
    with Store(side.store_url) as store:
        prune_these(store, extraction_ids)
    b.run(side.store_url, "VACUUM extraction_data", "CHECKPOINT")
    b.run(bench.source_url, "CHECKPOINT")
    time.sleep(_SETTLE)


def wrong(bench: b.Bench, side: Side, moved: Moved) -> str | None:
    """What is wrong with the records of an extraction of the whole table; None: they are those of the source.

    The old way's JSON is made in Python and spells values otherwise, so it is compared value by value.
    """
    kind: b.Kind = "typed" if side.is_old_way else "json"
    columns = ", ".join(f"data->>'{name}' AS {name}" for name in b.COLUMNS) if side.is_old_way else "data"
    got = b.content(
        side.store_url,
        kind,
        f"(SELECT {columns} FROM extraction_data WHERE extraction_id = {moved.extraction_id}) AS r",
    )
    assert bench.content is not None
    expected = bench.content[kind]
    if got == expected:
        return None
    return f"{got[0]:,} records with hash {got[1]} arrived instead of {expected[0]:,} with {expected[1]}"
