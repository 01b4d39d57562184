"""Extractions in the store: recorded with their chunks, jobs and parts, looked at, planned anew."""

from typing import Any

import psycopg
from psycopg import sql as q
from psycopg.types.json import Jsonb

from extraction_agent import errors, model, sql
from extraction_agent.store import queue, typed
from extraction_agent.store.audit import Audit
from extraction_agent.store.connection import jsonb
from extraction_agent.store.rows import Config, Extraction

_ABOVE_ALL = 2**63 - 1  # no extraction has this number


def _kept(plan: model.Plan) -> Jsonb:
    """Without what is as usual: an agent of an older version reads a plan that uses nothing newer."""
    return Jsonb(plan.model_dump(mode="json", exclude_defaults=True))


class Extractions(Audit):
    """The rows of extractions, up to their end."""

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
                plan=_kept(plan),
                profile=Jsonb(settings),
                target=target,
                snapshot=snapshot,
                watermark=jsonb(watermark),
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
        self.audit(
            None,
            "extraction.created",
            f"extraction {row[0]}",
            after={"config": config.name, "relation": plan.relation, "target": target, "chunks": len(chunks)},
        )
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
        self._clear(extraction.id)
        if plan.format is model.Format.TYPED:  # a column may be new; only now nobody holds the table any more
            with self._errors():
                typed.prepare(self.connection, extraction.config.name, plan.columns)
        row = self._one("delete_chunks", extraction_id=extraction.id)
        self._run(
            "change_plan",
            extraction_id=extraction.id,
            plan=_kept(plan),
            snapshot=snapshot,
            watermark=jsonb(watermark),
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
            self._create_part(extraction_id, target, format_)
        queue.defer(self.connection, ((extraction_id, first + number) for number in range(len(chunks))))

    def _create_part(self, extraction_id: int, target: str, format_: model.Format) -> None:
        """An empty table of the target's shape for one extraction, whose records all bear this transaction's time."""
        name = f"e{extraction_id}"
        part = q.Identifier("extraction_parts", name)
        table = sql.trusted(target)
        self._compose("drop_part", part=part)
        self._compose("create_part", part=part, target=table)
        self._compose(
            "own_part",
            part=part,
            column=q.Identifier(format_.extraction_column),
            constraint=q.Identifier(f"{name}_owner"),
            extraction_id=q.Literal(extraction_id),
        )
        row = self._one("set_part", extraction_id=extraction_id, part=part.as_string(self.connection))
        assert row is not None
        if format_ is model.Format.JSON:
            self._compose("date_part", part=part, moment=q.Literal(row[0]))

    def _clear(self, extraction_id: int) -> bool:
        """End its attempts, let none begin, drop its jobs and its part; inside a transaction. False: it is over."""
        row = self._one("lock_claims", extraction_id=extraction_id)
        if row is None:
            return False
        self._run("drop_jobs", extraction_id=extraction_id)
        self._run("end_attempts", extraction_id=extraction_id)
        if row[0] is not None:
            self._compose("drop_part", part=sql.trusted(row[0]))
        return True

    def extraction(self, extraction_id: int) -> Extraction:
        """Raises NotFound, Unreadable."""
        row = self._one("load_extraction", extraction_id=extraction_id)
        if row is None:
            raise errors.NotFound(f"There is no extraction {extraction_id}; `extractctl list` shows those there are.")
        definition = model.Definition.recorded(row[6], f"The definition of extraction {row[0]}")
        config = Config(row[1], row[2], row[3], row[4], row[5], definition)
        plan = model.Plan.recorded(row[8], f"The plan of extraction {row[0]}")
        return Extraction(
            row[0], config, model.Status(row[7]), plan, row[9],
            row[10], row[11], row[12], row[13], row[14],
        )  # fmt: skip

    def counts(self) -> dict[str, int]:
        """Extractions by status."""
        return dict(self._run("counts").fetchall())

    def summaries(
        self,
        extraction_id: int | None = None,
        limit: int = 50,
        before: int | None = None,
        config_id: int | None = None,
    ) -> list[model.Summary]:
        """Newest first. before: older than this one; config_id: of this config only."""
        return [
            model.Summary(
                row[0], row[1], model.Status(row[2]), row[3], row[4], row[5], row[6], row[7], row[8],
                model.Format(row[9]), row[10], row[11] or 0.0, row[12], row[13], row[14], row[15],
            )
            for row in self._run(
                "summaries",
                extraction_id=extraction_id,
                limit=limit,
                before=_ABOVE_ALL if before is None else before,
                config_id=config_id,
            )
        ]  # fmt: skip

    def summary(self, extraction_id: int) -> model.Summary:
        """Raises NotFound."""
        found = self.summaries(extraction_id)
        if not found:
            raise errors.NotFound(f"There is no extraction {extraction_id}; `extractctl list` shows those there are.")
        return found[0]

    def status(self, extraction_id: int) -> model.Status | None:
        """None: there is no such extraction."""
        row = self._one("status", extraction_id=extraction_id)
        return None if row is None else model.Status(row[0])

    def running(self) -> list[int]:
        """Extractions that run now."""
        return [row[0] for row in self._run("running_extractions").fetchall()]

    def locked_snapshot(self, extraction_id: int) -> tuple[model.Status, str | None]:
        """Status and snapshot token, with the row locked; inside the caller's transaction."""
        row = self._one("current_snapshot", extraction_id=extraction_id)
        assert row is not None
        self._run("take_in_hand", extraction_id=extraction_id)
        return model.Status(row[0]), row[1]

    def seconds_begun(self, extraction_id: int) -> float | None:
        """Since the first chunk of its present plan was begun; None: none was."""
        row = self._one("seconds_begun", extraction_id=extraction_id)
        return None if row is None else row[0]

    def change_snapshot(self, extraction_id: int, token: str, note: str) -> None:
        self._run("change_snapshot", extraction_id=extraction_id, snapshot=token, note=note)
