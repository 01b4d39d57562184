"""What tests share: databases, and an extraction in one thread without the queue."""

import json
import os
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql as q

from extraction_agent.model import Chunk, Definition
from extraction_agent.pipeline import commit
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.sources.protocol import Planned
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop
from extraction_agent.walker import Block


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL database of one test."""

    url: str

    def run(self, *statements: LiteralString) -> None:
        """Execute statements, each in a transaction of its own."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def rows(
        self, query: LiteralString | q.SQL | q.Composed, parameters: dict[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query, parameters).fetchall()

    def value(self, query: LiteralString | q.SQL | q.Composed, parameters: dict[str, Any] | None = None) -> Any:
        return self.rows(query, parameters)[0][0]


def programs(major: int) -> Path | None:
    """Where a PostgreSQL of this version is: put there by tests/install-postgresql.sh, or Debian's."""
    given = os.environ.get("EXTRACTION_TEST_POSTGRESQL")
    places = [Path(given) / str(major) / "bin"] if given else []
    debian = Path("/usr/lib/postgresql") / str(major) / "bin"
    return next((place for place in [*places, debian] if (place / "postgres").exists()), None)


def extract(source_url: str, store: Database, definition: Definition, name: str = "test", **settings: Any) -> int:
    """Run one extraction to its end in this thread, chunk by chunk. Returns its id; raises what it meets."""
    source, stop = open_source(source_url), Stop()
    with Store(store.url) as opened:
        begun = start(opened, source, name, source_url, None, definition, Settings.model_validate(settings))
        session = source.session(begun.snapshot.token if begun.snapshot else None)
        try:
            extraction = opened.extraction(begun.extraction_id)
            for chunk in opened.chunks(extraction.id):
                assert commit.copy_chunk(extraction, chunk.no, session, opened, "test", stop) is not None
            opened.finish(extraction.id)
            assert opened.summary(extraction.id).status == "succeeded"
            return extraction.id
        finally:
            session.close()
            if begun.snapshot is not None:
                begun.snapshot.close()
            stop.close()


def ids(store: Database, extraction: int) -> list[int]:
    """Ids an extraction stored, in order."""
    rows = store.rows(
        "SELECT (data->>'id')::int FROM extraction_data WHERE extraction_id = %(n)s ORDER BY 1", {"n": extraction}
    )
    return [number for (number,) in rows]


def ids_read(
    source_url: str, planned: Planned, chunks: Iterable[Chunk], *, after_each_block: Callable[[], None]
) -> list[int]:
    """Ids that chunks bring as json, in order, while something else happens."""
    found: list[int] = []
    with closing(Stop()) as stop, closing(open_source(source_url).session(None)) as session:
        for chunk in chunks:
            for block in session.stream(planned.plan, chunk, Block(), stop):
                found += [json.loads(bytes(message)[6:])["id"] for message in block.messages()]
                after_each_block()
    return sorted(found)


def notes(store: Database, extraction: int) -> str:
    """What an extraction says of itself."""
    return " ".join(store.value("SELECT notes FROM extractions WHERE id = %(n)s", {"n": extraction}))
