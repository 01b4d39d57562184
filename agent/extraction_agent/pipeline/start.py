"""Begins an extraction: plan, chunks, part and jobs in one transaction; and renews a snapshot that was lost."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from extraction_agent import errors
from extraction_agent.cache.lease import outlast_suspension
from extraction_agent.model import Chunk, Consistency, Definition, Format, Status
from extraction_agent.pipeline import watermark
from extraction_agent.profiles import Settings
from extraction_agent.sources.protocol import Planned, Snapshot, Source
from extraction_agent.store.store import Config, Extraction, Store

MOST_RENEWALS = 5  # of an extraction that begins again each time


@dataclass(frozen=True, slots=True)
class Started:
    """A running extraction, and the snapshot somebody must hold for it."""

    extraction_id: int
    snapshot: Snapshot | None


def plan(
    source: Source, definition: Definition, settings: Settings, state: dict[str, Any] | None, name: str
) -> Planned:
    """Look at the source and cut; nothing is written anywhere.

    state: the watermark kept of the config called `name`. Raises UsageError, SourceError.
    """
    old_way = settings.reading.method == "offset"
    if old_way and definition.watermark:
        raise errors.UsageError("LIMIT/OFFSET pages know no watermark: take a profile that reads ranges.")
    of = watermark.owner(source, definition)
    watermark.refuse_other(state, of, name)
    planned = source.plan(definition, definition.chunk_rows or settings.batch.chunk_rows, state)
    if planned.watermark is not None:
        planned = replace(planned, watermark={**planned.watermark, "of": of})
    return _old_way(source, planned) if old_way else planned


def _old_way(source: Source, planned: Planned) -> Planned:
    """The baseline: LIMIT/OFFSET pages, all in one chunk. Raises UsageError for what the old service could not."""
    if planned.snapshot is not None:
        planned.snapshot.close()
    if source.kind != "postgresql" or planned.plan.format is not Format.JSON:
        raise errors.UsageError("The old way reads PostgreSQL and writes json only: take a profile that reads ranges.")
    changes = {
        "method": "pages",
        "consistency": Consistency.CHUNK,
        "reason": "LIMIT/OFFSET pages, one INSERT a row: the old way, neither consistent nor exactly once",
    }
    return Planned(planned.plan.model_copy(update=changes), [Chunk()], planned.notes, planned.explain)


Lend = Callable[[], AbstractContextManager[Store]]
Also = Callable[[Store, int], None]  # what is written in the transaction that records an extraction, given its number


def start(
    store: Store,
    source: Source,
    name: str,
    source_url: str,
    secret: str | None,
    definition: Definition,
    settings: Settings,
) -> Started:
    """Plan and record an extraction of the config `name` with its jobs; the config is saved with it or not at all.

    source_url: as it is kept, without a password. Raises Conflict, UsageError, SourceError, StoreError.
    """

    def save(store: Store) -> Config:
        return store.save_config(name, source.kind, source_url, secret, definition, uncached=True)

    known = store.config(name)
    started = _start(lambda: nullcontext(store), source, name, definition, settings, known, save)
    outlast_suspension(store)
    return started


def start_saved(store: Store, source: Source, config: Config, settings: Settings) -> Started:
    """The same of a config as it stands in the store. Raises Conflict, too, if it is another by the end of planning."""
    return start_lent(lambda: nullcontext(store), source, config, settings)


def start_lent(lend: Lend, source: Source, config: Config, settings: Settings, also: Also | None = None) -> Started:
    """The same, with a store that is borrowed before planning and again after it: the source may take minutes.

    Raises what lend does, too.
    """

    def still(store: Store) -> Config:
        store.hold_config(config)
        return config

    return _start(lend, source, config.name, config.definition, settings, config, still, also)


def _start(
    lend: Lend,
    source: Source,
    name: str,
    definition: Definition,
    settings: Settings,
    known: Config | None,
    settle: Callable[[Store], Config],
    also: Also | None = None,
) -> Started:
    """settle: gives the config, inside the transaction."""
    state = None
    if known is not None:
        with lend() as store:
            store.refuse_second(known)
            state = store.watermark(known.id)
    planned = plan(source, definition, settings, state, name)
    snapshot = planned.snapshot
    try:
        with lend() as store, store.transaction():
            config = settle(store)
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
            store.refuse_stale(config, state)
            if also is not None:
                also(store, extraction_id)
    except BaseException:
        if snapshot is not None:
            snapshot.close()
        raise
    return Started(extraction_id, snapshot)


def renew(store: Store, source: Source, extraction: Extraction) -> Snapshot | None:
    """Replace a snapshot that is gone. None: somebody else has, or no chunk needs one any more.

    Ranges of an unchanging key go on under the new snapshot, and the extraction says so. Ranges of blocks, a key
    that was only checked, and a watermark begin again: their meaning hangs on one snapshot.

    Raises SourceError when that happened too often, and what planning and a new snapshot raise.
    """
    snapshot: Snapshot | None = None
    try:
        with store.transaction():
            status, token = store.locked_snapshot(extraction.id)
            if status is not Status.RUNNING or token != extraction.snapshot:
                return None
            if not store.needs_source(extraction.id):  # all is copied: nothing may begin again
                return None
            if extraction.plan.restart_on_lost_snapshot:
                renewals = extraction.plan.renewals + 1
                _refuse_more(renewals, source, store, extraction)
                config = extraction.config
                settings = Settings.recorded(extraction.settings, f"The settings of extraction {extraction.id}")
                planned = plan(source, config.definition, settings, store.watermark(config.id), config.name)
                snapshot = planned.snapshot
                store.replace_chunks(
                    extraction,
                    planned.plan.model_copy(update={"renewals": renewals}),
                    planned.chunks,
                    snapshot.token if snapshot else None,
                    planned.watermark,
                    ["The snapshot was lost and the extraction began again under a new one.", *planned.notes],
                )
            else:
                snapshot = source.hold_snapshot(extraction.plan)
                store.change_snapshot(
                    extraction.id,
                    snapshot.token,
                    "The snapshot was lost: chunks copied before and after that are of two moments.",
                )
    except BaseException:
        if snapshot is not None:
            snapshot.close()
        raise
    return snapshot


def _refuse_more(renewals: int, source: Source, store: Store, extraction: Extraction) -> None:
    """What ends its snapshots again and again does not pass by itself. Raises SourceError."""
    if renewals <= MOST_RENEWALS:
        return
    seconds = store.seconds_begun(extraction.id)
    lasted = "" if seconds is None else f", the last {seconds:,.0f} s after its first chunk was begun"
    raise errors.SourceError(
        f"{source.where}: {renewals} snapshots in a row were lost{lasted}, and each time all began again. Something "
        "there ends the session that holds them. On a standby, read from the primary instead, or set "
        "hot_standby_feedback = on or a longer max_standby_streaming_delay; elsewhere look for what ends sessions that "
        "are idle in a transaction. Or be done sooner: leave columns out, or give the table a primary key, whose "
        "ranges go on under another snapshot."
    )
