"""`extractctl verify`: prove an extraction."""

from contextlib import closing
from typing import Annotated, Any

import typer

from extraction_agent import errors
from extraction_agent.interfaces.cli import options, output
from extraction_agent.interfaces.cli.extractions import source_of
from extraction_agent.model import Chunk
from extraction_agent.pipeline.verify import Difference, Report, refuse_unfit
from extraction_agent.pipeline.verify import verify as verify_store
from extraction_agent.pipeline.verify_source import Change, SourceReport, verify_source
from extraction_agent.store.store import Store
from extraction_agent.waiting import Stop

_MOST_SHOWN = 100  # chunks in a table; --json has all
_MOST_NAMED = 20  # chunks in the sentence at the end

app = typer.Typer()


@app.command()
def verify(
    extraction_id: options.Extraction,
    store: options.Store,
    against_source: Annotated[
        bool, typer.Option("--against-source", help="Read the source again too, and say what has changed there.")
    ] = False,
    source_url: Annotated[
        str | None, typer.Option("--source", metavar="URL", help="The same source under another address or password.")
    ] = None,
    secret: options.Secret = None,
    json: options.Json = False,
) -> None:
    """Prove that the store holds what was sent, each row once; say what differs and where."""
    if source_url and not against_source:
        raise errors.UsageError("--source belongs to --against-source.")
    changes: SourceReport | None = None
    with Store(store) as opened, closing(Stop()) as stop:
        extraction = opened.extraction(extraction_id)
        refuse_unfit(extraction)
        source = source_of(extraction, source_url, secret) if against_source else None
        report = verify_store(opened, extraction, stop)
        if source is not None:
            with closing(source.session(None)) as session:
                changes = verify_source(opened, extraction, session, report.differences, stop, source.where)
    if json:
        output.as_json({**report.as_dict(), "source": changes and changes.as_dict()})
    else:
        _print(report, changes)
    complaints = [*_complaint(report), *(_changed(changes) if changes else [])]
    if complaints:
        raise errors.VerificationFailed(" ".join(complaints))


def _print(report: Report, changes: SourceReport | None) -> None:
    facts = report.as_dict()
    per_second = round(report.rows / report.seconds) if report.seconds else 0
    shown: dict[str, Any] = {
        "extraction": report.extraction_id,
        "rows": report.rows,
        "bytes": report.bytes,
        "chunks proved": f"{facts['chunks_proved']:,} of {report.chunks:,}",
        "seconds": f"{report.seconds:,.1f} ({per_second:,} rows/s)",
        "notes": report.faults,
    }
    if changes is not None:
        shown["chunks as the source has them"] = f"{changes.chunks - len(changes.changes):,} of {changes.chunks:,}"
        shown["at the source"] = changes.notes
    output.facts(shown)
    if report.differences:
        output.rows(
            ("chunk", "range", "sent", "stored", "missing", "altered", "doubled", "extra", "note"),
            map(_row, report.differences[:_MOST_SHOWN]),
        )
        named = [(_no(found.chunk_no), row) for found in report.differences[:_MOST_SHOWN] for row in found.rows]
        if named:
            output.rows(
                ("chunk", "row is", "table", "ctid", "key", "record"),
                [(no, row.kind, row.table, row.ctid, _key(row.record.key), row.record.text) for no, row in named],
            )
        lost = [
            (_no(found.chunk_no), record) for found in report.differences[:_MOST_SHOWN] for record in found.at_source
        ]
        if lost:
            output.rows(
                ("chunk", "key", "missing or altered row, as the source has it"),
                [(no, _key(record.key), record.text) for no, record in lost],
            )
    if changes is not None and changes.changes:
        output.rows(
            ("chunk", "range", "rows there", "rows here", "only there", "only here"),
            map(_change_row, changes.changes[:_MOST_SHOWN]),
        )


def _row(found: Difference) -> tuple[Any, ...]:
    return (
        _no(found.chunk_no), _range(found.range), found.expected, found.found,
        found.missing, found.altered, found.doubled, found.extra, found.note or "",
    )  # fmt: skip


def _change_row(change: Change) -> tuple[Any, ...]:
    only = ["unknown" if number is None else number for number in (change.only_there, change.only_here)]
    return _no(change.chunk_no), _range(change.range), change.rows_there, change.rows_here, *only


def _no(chunk_no: int | None) -> str:
    return "none" if chunk_no is None else str(chunk_no)


def _range(chunk: Chunk | None) -> str:
    return "" if chunk is None else chunk.words


def _key(key: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in key.items())


def _complaint(report: Report) -> list[str]:
    if report.proved:
        return []
    said = list(report.faults)
    if report.differences:
        said.append(
            f"Extraction {report.extraction_id} is not in the store as it was sent: "
            f"{_chunks([found.chunk_no for found in report.differences])}."
        )
    return said


def _changed(changes: SourceReport) -> list[str]:
    if not changes.changes:
        return []
    listed = _chunks([change.chunk_no for change in changes.changes])
    return [f"Changed at the source since, or never copied: {listed}."]


def _chunks(numbers: list[int | None]) -> str:
    listed = ", ".join(map(_no, numbers[:_MOST_NAMED]))
    more = f" and {len(numbers) - _MOST_NAMED:,} more (all with --json)" if len(numbers) > _MOST_NAMED else ""
    return f"chunk{'s' if len(numbers) > 1 else ''} {listed}{more}"
