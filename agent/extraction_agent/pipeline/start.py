"""Begins an extraction: config, plan, chunks, part and jobs in one transaction; and renews a lost snapshot."""

from dataclasses import dataclass
from typing import Any

from extraction_agent import jobs
from extraction_agent.model import Consistency, Definition, Format, Plan, Status
from extraction_agent.pipeline import watermark
from extraction_agent.profiles import Settings
from extraction_agent.sources.protocol import Planned, Snapshot, Source
from extraction_agent.store.store import Config, Extraction, Store


@dataclass(frozen=True, slots=True)
class Started:
    """A running extraction, and the snapshot somebody must hold for it."""

    extraction_id: int
    snapshot: Snapshot | None


def plan(source: Source, definition: Definition, settings: Settings, state: dict[str, Any] | None) -> Planned:
    """Look at the source and cut; nothing is written anywhere. state: the config's watermark, if it has one."""
    planned = source.plan(definition, definition.chunk_rows or settings.batch.chunk_rows)
    if settings.reading.method == "offset":
        planned = _old_way(planned)
    if definition.watermark is None:
        return planned
    return watermark.apply(source, definition, planned, state)


def _old_way(planned: Planned) -> Planned:
    """The baseline: LIMIT/OFFSET pages in one chunk."""
    if planned.snapshot is not None:
        planned.snapshot.close()
    changes = {
        "method": "pages", "consistency": Consistency.CHUNK,
        "reason": "LIMIT/OFFSET pages, one INSERT a row: the old way, neither consistent nor exactly once",
    }  # fmt: skip
    return Planned(
        planned.plan.model_copy(update=changes), planned.chunks[:1], planned.notes, planned.explain, None
    )


def start(store: Store, source: Source, config: Config, settings: Settings) -> Started:
    """Plan and record an extraction with its jobs. Raises Conflict, UsageError, SourceError, StoreError."""
    store.refuse_second(config)
    definition = config.definition
    planned = plan(source, definition, settings, store.watermark(config.id))
    snapshot = planned.snapshot
    try:
        with store.transaction():
            target = "extraction_data"
            if definition.format is Format.TYPED:
                target = store.create_typed_table(config, planned.plan.columns)
            extraction_id = store.insert_extraction(
                config,
                planned.plan,
                planned.chunks,
                settings.model_dump(),
                target,
                snapshot.token if snapshot else None,
                planned.watermark,
                planned.notes,
            )
            if len(planned.chunks) > 1:
                store.create_part(extraction_id, target, extraction_column(definition.format))
            jobs.defer(store.connection, ((extraction_id, number) for number in range(len(planned.chunks))))
    except BaseException:
        if snapshot is not None:
            snapshot.close()
        raise
    return Started(extraction_id, snapshot)


def extraction_column(format_: Format) -> str:
    """The column of a record that says which extraction it belongs to."""
    return "extraction_id" if format_ is Format.JSON else "_extraction_id"


def renew(store: Store, source: Source, extraction: Extraction) -> Snapshot | None:
    """Replace a snapshot that is gone. None: somebody else has, or the extraction is over.

    Ranges of an unchanging key go on under the new snapshot, and the extraction says so. Ranges of blocks, a key
    that was only checked, and a watermark begin again: their meaning hangs on one snapshot.
    """
    plan_: Plan = extraction.plan
    with store.transaction():
        status, token = store.locked_snapshot(extraction.id)
        if status is not Status.RUNNING or token != extraction.snapshot:
            return None
        state = None
        if extraction.config.definition.watermark is not None:
            renewed = watermark.renew(source, extraction, store.watermark(extraction.config.id))
            snapshot, plan_, state = renewed.snapshot, renewed.plan, renewed.watermark
            assert snapshot is not None
        else:
            snapshot = source.hold_snapshot(plan_)
        try:
            if plan_.restart_on_lost_snapshot:
                store.restart(extraction, extraction_column(plan_.format))
                note = "The snapshot was lost and the extraction began again under a new one."
            else:
                note = "The snapshot was lost: chunks finished before and after that are of two moments."
            store.change_snapshot(extraction.id, snapshot.token, plan_, state, note)
        except BaseException:
            snapshot.close()
            raise
    return snapshot


