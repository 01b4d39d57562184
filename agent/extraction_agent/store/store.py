"""The one caller of the store's SQL. Each method is one round trip or one transaction; errors are ours."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql as q
from psycopg.types.json import Jsonb

from extraction_agent import deadlines, errors, model, postgres, sql
from extraction_agent.store import migrate, queue, typed

_QUERIES = "extraction_agent.store.queries"


@dataclass(frozen=True, slots=True)
class Config:
    """A saved description of what to extract. source_url never holds a password."""

    id: int
    name: str
    source_type: str
    source_url: str
    secret: str | None
    definition: model.Definition


@dataclass(frozen=True, slots=True)
class Extraction:
    """One run of a config, as its workers need it."""

    id: int
    config: Config
    status: model.Status
    plan: model.Plan
    settings: dict[str, Any]  # profiles.Settings
    target: str
    part: str | None
    attached: bool
    snapshot: str | None
    watermark: dict[str, Any] | None

    @property
    def table(self) -> str:
        """Where its rows are written: its part, else the table itself."""
        return self.part or self.target


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk with its state, for verify and `show`."""

    no: int
    range: model.Chunk
    state: str
    attempt: int
    failures: int
    error: str | None
    agent: str | None
    rows: int | None
    bytes: int | None
    hash: int | None


class Store:
    """One connection to the store. Not for two threads at once; raises StoreError, StoreUnavailable."""

    def __init__(self, conninfo: str, application_name: str = "extraction-agent", check: bool = True) -> None:
        self.conninfo = conninfo
        self.where = postgres.address(conninfo, "store")
        with self._errors():
            self.connection = postgres.connect(conninfo, application_name=application_name)
        try:
            with self._errors():
                self.connection.execute(sql.load(_QUERIES, "session"))
                with suppress(psycopg.errors.InvalidParameterValue):  # a platform that cannot tell: keepalives do
                    self.connection.execute(sql.load(_QUERIES, "check_interval"))
                if check:
                    migrate.check(self.connection)
        except BaseException:
            self.connection.close()
            raise

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()

    @property
    def usable(self) -> bool:
        return self.connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with postgres.translated(postgres.STORE, self.where):
            yield

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._errors(), self.connection.transaction():
            yield

    def _run(self, query: LiteralString, /, **values: Any) -> psycopg.Cursor[tuple[Any, ...]]:
        with self._errors():
            return self.connection.execute(sql.load(_QUERIES, query), values)

    def _one(self, query: LiteralString, /, **values: Any) -> tuple[Any, ...] | None:
        return self._run(query, **values).fetchone()

    def _compose(self, name: LiteralString, **parts: q.Composable) -> None:
        with self._errors():
            self.connection.execute(q.SQL(sql.load(_QUERIES, name)).format(**parts))

    # Schema

    def migrate(self) -> list[migrate.Migration]:
        with self._errors():
            return migrate.migrate(self.connection)

    def versions(self) -> dict[int, str]:
        with self._errors():
            return migrate.current(self.connection)

    # Configs

    def save_config(
        self, name: str, source_type: str, source_url: str, secret: str | None, definition: model.Definition
    ) -> Config:
        row = self._one(
            "upsert_config",
            name=name,
            source_type=source_type,
            source_url=source_url,
            secret=secret,
            definition=Jsonb(definition.model_dump(mode="json")),
        )
        assert row is not None
        return Config(row[0], name, source_type, source_url, secret, definition)

    def config(self, name: str) -> Config | None:
        row = self._one("config_by_name", name=name)
        if row is None:
            return None
        return Config(row[0], name, row[1], row[2], row[3], model.Definition.model_validate(row[4]))

    def config_names(self) -> list[str]:
        return [row[0] for row in self._run("config_names")]

    def refuse_second(self, config: Config) -> None:
        """Raise Conflict if the config has an unfinished extraction."""
        row = self._one("active_extraction", config_id=config.id)
        if row is not None:
            raise errors.Conflict(
                f"Extraction {row[0]} of config {config.name} is not finished. Finish it with `extractctl resume "
                f"{row[0]}` or give it up with `extractctl cancel {row[0]}`."
            )

    # Extractions

    def insert_extraction(
        self,
        config: Config,
        plan: model.Plan,
        chunks: list[model.Chunk],
        settings: dict[str, Any],
        target: str,
        snapshot: str | None,
        watermark: dict[str, Any] | None,
        notes: list[str],
    ) -> int:
        """Record a running extraction and its chunks; inside the caller's transaction. Raises Conflict."""
        try:
            row = self._one(
                "insert_extraction",
                config_id=config.id,
                plan=Jsonb(plan.model_dump(mode="json")),
                profile=Jsonb(settings),
                target=target,
                snapshot=snapshot,
                watermark=_jsonb(watermark),
                notes=notes,
            )
        except errors.StoreError as error:
            if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                raise errors.Conflict(
                    f"Another extraction of config {config.name} began at the same moment; see `extractctl list`."
                ) from error
            raise
        assert row is not None
        self._insert_chunks(row[0], target, plan.format, chunks, first=0)
        return int(row[0])

    def replace_chunks(
        self,
        extraction: Extraction,
        plan: model.Plan,
        chunks: list[model.Chunk],
        snapshot: str | None,
        watermark: dict[str, Any] | None,
        notes: list[str],
    ) -> None:
        """Forget what was copied and begin again under another plan; inside the caller's transaction.

        The new chunks are numbered on from the old ones, so that an attempt at an old one finds nothing to finish.
        """
        self._run("end_attempts", extraction_id=extraction.id, wait_ms=int(deadlines.TERMINATE * 1000))
        self._run("drop_jobs", extraction_id=extraction.id)
        row = self._one("delete_chunks", extraction_id=extraction.id)
        if extraction.part is not None:
            self._compose("drop_part", part=sql.trusted(extraction.part))
        self._run(
            "change_plan",
            extraction_id=extraction.id,
            plan=Jsonb(plan.model_dump(mode="json")),
            snapshot=snapshot,
            watermark=_jsonb(watermark),
            notes=notes,
        )
        first = 0 if row is None or row[0] is None else row[0] + 1
        self._insert_chunks(extraction.id, extraction.target, plan.format, chunks, first)

    def _insert_chunks(
        self, extraction_id: int, target: str, format_: model.Format, chunks: list[model.Chunk], first: int
    ) -> None:
        """Chunks, their jobs and, for more than one, the part they fill."""
        ranges = [Jsonb(chunk.model_dump(mode="json", exclude_defaults=True)) for chunk in chunks]
        self._run("insert_chunks", extraction_id=extraction_id, first=first, ranges=ranges)
        if len(chunks) > 1:
            self._create_part(extraction_id, target, format_.extraction_column)
        queue.defer(self.connection, ((extraction_id, first + number) for number in range(len(chunks))))

    def _create_part(self, extraction_id: int, target: str, column: str) -> None:
        """An empty table of the target's shape for one extraction."""
        name = f"e{extraction_id}"
        part = q.Identifier("extraction_parts", name)
        table = sql.trusted(target)
        self._compose("drop_part", part=part)
        self._compose("create_part", part=part, target=table)
        self._compose(
            "own_part",
            part=part,
            column=q.Identifier(column),
            constraint=q.Identifier(f"{name}_owner"),
            extraction_id=q.Literal(extraction_id),
        )
        self._run("set_part", extraction_id=extraction_id, part=part.as_string(self.connection))

    def create_typed_table(self, config: Config, columns: tuple[model.Column, ...]) -> str:
        """The config's typed table, made or widened. Raises UsageError if a column's type has changed."""
        with self._errors():
            return typed.prepare(self.connection, config.name, columns)

    def extraction(self, extraction_id: int) -> Extraction:
        """Raises UsageError if there is none."""
        row = self._one("load_extraction", extraction_id=extraction_id)
        if row is None:
            raise errors.UsageError(f"There is no extraction {extraction_id}; `extractctl list` shows those there are.")
        config = Config(row[1], row[2], row[3], row[4], row[5], model.Definition.model_validate(row[6]))
        return Extraction(
            row[0], config, model.Status(row[7]), model.Plan.model_validate(row[8]), row[9],
            row[10], row[11], row[12], row[13], row[14],
        )  # fmt: skip

    def counts(self) -> dict[str, int]:
        """Extractions by status."""
        return dict(self._run("counts").fetchall())

    def summaries(self, extraction_id: int | None = None, limit: int = 50) -> list[model.Summary]:
        return [
            model.Summary(
                row[0], row[1], model.Status(row[2]), row[3], row[4], row[5], row[6], row[7], row[8],
                model.Format(row[9]), row[10], row[11] or 0.0, row[12], row[13], row[14],
            )
            for row in self._run("summaries", extraction_id=extraction_id, limit=limit)
        ]  # fmt: skip

    def summary(self, extraction_id: int) -> model.Summary:
        """Raises UsageError if there is none."""
        found = self.summaries(extraction_id)
        if not found:
            raise errors.UsageError(f"There is no extraction {extraction_id}; `extractctl list` shows those there are.")
        return found[0]

    def status(self, extraction_id: int) -> model.Status | None:
        """None: there is no such extraction."""
        row = self._one("status", extraction_id=extraction_id)
        return None if row is None else model.Status(row[0])

    def finish(self, extraction_id: int) -> bool:
        """Index and attach the part, move the watermark, and call it succeeded, if every chunk is done.

        One transaction under the extraction's row lock, so nobody ever sees part of an extraction.
        """
        with self.connection.within(deadlines.INDEX), self.transaction():
            if not self._all_done(extraction_id):  # before the lock, so that the last to commit a chunk sees it
                return False
            row = self._one("lock_extraction", extraction_id=extraction_id)
            if row is None or row[0] != model.Status.RUNNING or not self._all_done(extraction_id):
                return False  # another has the lock and does it; or a lost snapshot made all begin again
            extraction = self.extraction(extraction_id)
            if extraction.part is not None and not extraction.attached:
                part, target = sql.trusted(extraction.part), sql.trusted(extraction.target)
                self._compose("lock_target", target=target)
                self._run("index_memory")
                for unique, definition in self._run("part_indexes", target=extraction.target).fetchall():
                    self._compose(
                        "create_part_index",
                        unique=q.SQL("UNIQUE" if unique else ""),
                        part=part,
                        definition=sql.trusted(definition),
                    )
                self._compose("reset_autovacuum", part=part)
                self._compose("attach_part", part=part, target=target)
            self._run("save_watermark", extraction_id=extraction_id)
            self._run("finish_extraction", extraction_id=extraction_id)
        return True

    def _all_done(self, extraction_id: int) -> bool:
        return self._one("unfinished_chunks", extraction_id=extraction_id) == (0,)

    def end(self, extraction_id: int, status: model.Status, error: str | None) -> bool:
        """Fail or cancel. A cancelled extraction's part is dropped; a failed one's waits for `resume`."""
        with self.transaction():
            row = self._one("end_extraction", extraction_id=extraction_id, status=status.value, error=error)
            if row is None:
                return False
            self._run("drop_jobs", extraction_id=extraction_id)
        if status is model.Status.CANCELLED:
            self._run("end_attempts", extraction_id=extraction_id, wait_ms=int(deadlines.TERMINATE * 1000))
            if row[0] is not None:
                self._compose("drop_part", part=sql.trusted(row[0]))
        return True

    def reopen(self, extraction_id: int) -> bool:
        """Make an unfinished or failed extraction run again. False: it has ended for good. Raises Conflict."""
        try:
            with self.transaction():
                if self._one("reopen_extraction", extraction_id=extraction_id) is None:
                    return False
                overtaken = self._one("overtaken", extraction_id=extraction_id)
                assert overtaken is not None
                later, redefined = overtaken
                if later is not None:  # its rows would be taken twice, and the watermark moved back
                    raise errors.Conflict(
                        f"Extraction {later} has taken what {extraction_id} was to take: nothing is left to resume."
                    )
                if redefined:  # the rest would be read of another relation, or from another source
                    raise errors.Conflict(
                        f"The config of extraction {extraction_id} was given another definition since it began: its "
                        "rest cannot be read as its beginning was. Start a new one."
                    )
                self._run("forgive_chunks", extraction_id=extraction_id)
        except errors.StoreError as error:
            if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                raise errors.Conflict(
                    f"Another extraction of the config of {extraction_id} is not finished; see `extractctl list`."
                ) from error
            raise
        return True

    def locked_snapshot(self, extraction_id: int) -> tuple[model.Status, str | None]:
        """Status and snapshot token, with the row locked; inside the caller's transaction."""
        row = self._one("current_snapshot", extraction_id=extraction_id)
        assert row is not None
        return model.Status(row[0]), row[1]

    def change_snapshot(self, extraction_id: int, token: str, note: str) -> None:
        self._run("change_snapshot", extraction_id=extraction_id, snapshot=token, note=note)

    def watermark(self, config_id: int) -> dict[str, Any] | None:
        """Where the config's incremental runs have got to."""
        row = self._one("watermark", config_id=config_id)
        return None if row is None else dict(row[0])

    def refuse_stale(self, config: Config, state: dict[str, Any] | None) -> None:
        """Raise Conflict if the watermark has moved since `state` was read. A run that is recorded keeps it still."""
        if self.watermark(config.id) != state:
            raise errors.Conflict(f"Another extraction of config {config.name} has just ended; start again.")

    def reset_watermark(self, config_id: int) -> bool:
        """Forget the watermark, so that the next run takes everything. False: there was none."""
        return self._run("reset_watermark", config_id=config_id).rowcount == 1

    def window_digests(self, config_id: int) -> bytes:
        """8 bytes of each row that the config's last overlapping run met in its window."""
        row = self._one("window_digests", config_id=config_id)
        return b"" if row is None or row[0] is None else bytes(row[0])

    # Chunks

    def claim(self, extraction_id: int, chunk_no: int, agent: str) -> tuple[int, model.Chunk] | None:
        """Take a chunk: its attempt and range. None: it is done or its extraction over.

        The backend of an earlier attempt is ended first. Raises StoreUnavailable if it will not end.
        """
        wait_ms = int(deadlines.TERMINATE * 1000)
        row = self._one("end_lost_attempt", extraction_id=extraction_id, chunk_no=chunk_no, wait_ms=wait_ms)
        if row is not None and not row[0]:
            raise errors.StoreUnavailable(
                f"{self.where}: the backend of an earlier attempt at chunk {chunk_no} does not end; it is tried again."
            )
        row = self._one("claim_chunk", extraction_id=extraction_id, chunk_no=chunk_no, agent=agent)
        return None if row is None else (row[0], model.Chunk.model_validate(row[1]))

    def fence(self, extraction_id: int, chunk_no: int, attempt: int, manifest: model.Manifest) -> bool:
        """The last statement of a chunk's transaction. False: roll back, another attempt has the chunk."""
        cursor = self._run(
            "fence_chunk",
            extraction_id=extraction_id,
            chunk_no=chunk_no,
            attempt=attempt,
            rows=manifest.rows,
            bytes=manifest.bytes,
            hash=manifest.hash,
            digests=manifest.digests,
            window_digests=manifest.window,
        )
        return cursor.rowcount == 1

    def release(self, extraction_id: int, chunk_no: int, agent: str, error: str | None) -> int:
        """End an agent's attempt at a chunk. error: count it as a failure. Returns the failures so far."""
        row = self._one(
            "release_chunk",
            extraction_id=extraction_id,
            chunk_no=chunk_no,
            agent=agent,
            failed=0 if error is None else 1,
            error=error,
        )
        return 0 if row is None else int(row[0])

    def chunk(self, extraction_id: int, chunk_no: int) -> model.Chunk:
        """A chunk's range; everything, if the chunk is no more."""
        row = self._one("chunk", extraction_id=extraction_id, chunk_no=chunk_no)
        return model.Chunk.model_validate({} if row is None else row[0])

    def chunks(self, extraction_id: int) -> list[ChunkRow]:
        return [
            ChunkRow(row[0], model.Chunk.model_validate(row[1]), *row[2:])
            for row in self._run("chunks", extraction_id=extraction_id)
        ]

    def orphans(self, extraction_id: int | None) -> list[tuple[int, int]]:
        """Unfinished chunks that no job will run."""
        rows = self._run("orphaned_chunks", extraction_id=extraction_id, patience=deadlines.ORPHANED)
        return [(row[0], row[1]) for row in rows]

    def complete(self, extraction_id: int | None) -> list[int]:
        """Running extractions whose chunks are all done."""
        return [row[0] for row in self._run("complete_extractions", extraction_id=extraction_id)]


def _jsonb(value: dict[str, Any] | None) -> Jsonb | None:
    return None if value is None else Jsonb(value)
