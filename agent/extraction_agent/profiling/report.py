"""A profile as files: profile.json for programs, profile.md for people, flame.svg and stacks.txt of the agent."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from extraction_agent import errors
from extraction_agent.profiling.bottleneck import Verdict
from extraction_agent.profiling.drawing import draw
from extraction_agent.profiling.evidence import Database, Evidence, Process
from extraction_agent.profiling.flame import Stacks

VERSION = 1


def as_dict(verdict: Verdict, evidence: Evidence) -> dict[str, Any]:
    """What profile.json holds."""
    return {
        "kind": "profile",
        "version": VERSION,
        "measured_at": f"{datetime.now(UTC):%FT%TZ}",
        "bottleneck": verdict.place.value,
        "shares": {place.value: round(share, 4) for place, share in verdict.shares.items()},
        "reasons": list(verdict.reasons),
        "evidence": asdict(evidence),
    }


def write(folder: Path, verdict: Verdict, evidence: Evidence, stacks: Stacks) -> None:
    """Into a folder that make_folder() has made. Raises ExtractionError if the disk refuses."""
    files = {
        "profile.json": json.dumps(as_dict(verdict, evidence), indent=2, ensure_ascii=False) + "\n",
        "profile.md": "\n".join(_page(verdict, evidence)) + "\n",
    }
    if stacks:
        files["flame.svg"] = draw(stacks, "The agent's threads at work, by py-spy")
        files["stacks.txt"] = "".join(f"{';'.join(frames)} {count}\n" for frames, count in sorted(stacks.items()))
    try:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise errors.ExtractionError(f"The profile cannot be written to {folder}: {error.strerror}.") from error


def make_folder(folder: Path) -> None:
    """Before anything is measured. Raises UsageError if it holds something already, or cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise errors.UsageError(f"{folder} is not empty: give a new folder with --to.")
    except OSError as error:
        raise errors.UsageError(f"The folder {folder} cannot be made: {error.strerror}.") from error


def told(verdict: Verdict, evidence: Evidence) -> dict[str, Any]:
    """What a terminal shows: the bottleneck first, then why."""
    return {
        "bottleneck": verdict.place.value,
        "why": list(verdict.reasons),
        "shares": _shares(verdict),
        "looked on": f"{evidence.seconds:,.1f} s",
        "committed": f"{evidence.records:,} records, {evidence.bytes / 1e6:,.1f} MB",
        "process": _process(evidence.process, evidence.seconds) if evidence.process is not None else None,
        "collector": _collector(evidence),
        "not seen": list(evidence.notes),
    }


def _shares(verdict: Verdict) -> str:
    ordered = sorted(verdict.shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{place} {share:.0%}" for place, share in ordered)


def _process(process: Process, seconds: float) -> str:
    sizes = (process.resident_before, process.resident_most, process.resident_after)
    before, most, after = (f"{size / 2**20:,.0f}" for size in sizes)
    return (
        f"{process.cpu / seconds:.0%} of a core; {before} MiB resident at first, {most} at most, {after} at last; "
        f"{process.threads} threads"
    )


def _collector(evidence: Evidence) -> str:
    share = evidence.gc_seconds / evidence.seconds
    return f"{evidence.gc_runs} runs, {evidence.gc_seconds * 1000:,.1f} ms in all ({share:.2%} of the time)"


def _page(verdict: Verdict, evidence: Evidence) -> Iterator[str]:
    yield from (f"# Bottleneck: {verdict.place}", "")
    yield from (f"- {reason}" for reason in verdict.reasons)
    yield from ("", "| place | share of the copying threads' time |", "|---|---:|")
    yield from (
        f"| {place} | {share:.1%} |" for place, share in sorted(verdict.shares.items(), key=lambda one: -one[1])
    )
    yield from ("", f"{evidence.seconds:,.1f} s were looked on, {evidence.records:,} records committed.", "")
    yield from ("## The agent", "", "| the threads that copy | s |", "|---|---:|")
    yield from (f"| waited for {wait} | {seconds:,.2f} |" for wait, seconds in evidence.relay.items())
    yield f"| on a CPU | {evidence.running:,.2f} |"
    yield f"| ready to run, without a CPU | {evidence.ready:,.2f} |"
    if evidence.process is not None:
        yield from ("", f"Process: {_process(evidence.process, evidence.seconds)}.")
    yield from ("", f"Garbage collector: {_collector(evidence)}.", "")
    if evidence.hottest:
        yield from ("Most often at work (flame.svg has all):", "", "| function | samples |", "|---|---:|")
        yield from (f"| `{name}` | {share:.1%} |" for name, share in evidence.hottest)
        yield ""
    if evidence.agent_statements:
        yield from ("Statements at the store, as the agent saw them:", "", "| class | calls | s |", "|---|---:|---:|")
        for name, (calls, seconds) in evidence.agent_statements.items():
            yield f"| {name} | {calls:,} | {seconds:,.3f} |"
        yield ""
    for database in (*evidence.sources, evidence.store):
        yield from _database(database)
    if evidence.notes:
        yield from ("## Not seen", "", *(f"- {note}" for note in evidence.notes))


def _database(database: Database) -> Iterator[str]:
    yield from (f"## {database.where[:1].upper()}{database.where[1:]}", "")
    if database.round_trip is not None:
        yield from (f"A round trip takes {database.round_trip * 1000:,.2f} ms.", "")
    if database.sessions is not None:
        sessions = database.sessions
        did = f"{sessions.at_work:,.1f} s at work, {sessions.locked:,.1f} s behind locks"
        yield from (f"Our sessions, looked at {sessions.looks} times: {did}.", "")
        if sessions.blocked_by:
            yield from (*(f"- {sentence}" for sentence in sessions.blocked_by), "")
        if sessions.waits:
            yield from ("| wait event | s |", "|---|---:|")
            yield from (f"| {name} | {seconds:,.1f} |" for name, seconds in sessions.waits.items())
            yield ""
    if database.statements:
        yield from ("| statement | calls | s | rows | blocks read |", "|---|---:|---:|---:|---:|")
        for one in database.statements:
            text = one.text.replace("|", "\\|")
            yield f"| `{text}` | {one.calls:,} | {one.seconds:,.3f} | {one.rows:,} | {one.blocks_read:,} |"
        yield ""
    if database.plan is not None:
        yield from ("A chunk's query:", "", "```", database.plan, "```", "")
