"""Overlap: incremental runs where a source cannot say which of its rows have just become visible.

Each run reads again what was stamped within a named overlap before the newest stamp, and the relay drops the rows the
last run took, by their content. A transaction that stays open for longer than the overlap is missed: the notes say so.

A source finds the horizon in its own SQL, then calls `apply` with the plan and the ranges it would have used anyway.

An UPDATE moves a row into the window. Were what lies before it and the window read at two moments, a row could be in
both or in neither. So they are chunks of one shared snapshot, or else two statements of each chunk, in one transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from extraction_agent.errors import UsageError
from extraction_agent.model import Chunk, Plan

KIND = "overlap"
Literal = Callable[[str], str]  # a value in the source's SQL


@dataclass(frozen=True, slots=True)
class Horizon:
    """Where this run's window begins. Both are the source's own text of a value of the watermark column.

    high: the greatest value there is, for a time no later than the source's clock.
    start: high less the overlap, and never before the last run's start. None: no row has a value yet.
    """

    high: str | None
    start: str | None


def previous_start(state: dict[str, Any] | None) -> str | None:
    """Where the last run's window began, for the SQL that finds the next horizon."""
    return state["from"] if state is not None and state["kind"] == KIND else None


def condition(quoted: str, literal: Literal, state: dict[str, Any] | None) -> str | None:
    """The filter of a run after the one that ended with `state`. None: there was none, so everything is taken."""
    return None if state is None else _since(quoted, literal, state["from"])


def apply(
    plan: Plan,
    ranges: list[Chunk],
    column: str,
    quoted: str,
    literal: Literal,
    horizon: Horizon,
    state: dict[str, Any] | None,
    *,
    shared: bool,
) -> tuple[Plan, list[Chunk], dict[str, Any]]:
    """The plan and chunks of an overlapping run, and the watermark's state after it.

    quoted, literal: the watermark column, and a value of it, in the source's SQL; the values are the horizon's texts.
    state: what an earlier overlapping run ended with, None before the first, which takes everything.
    shared: all chunks are of one snapshot.
    Raises UsageError if the rows cannot be known by their content.
    """
    extracted = {each.name for each in plan.columns}
    if column not in extracted:
        raise UsageError(
            f"An overlapping run knows a row again by what is extracted of it: {column} must be among the columns."
        )
    ranges = meeting(plan, ranges)
    window = _since(quoted, literal, horizon.start)
    older = f"({window}) IS NOT TRUE"
    if shared:
        chunks = [chunk.model_copy(update={"condition": older}) for chunk in ranges]
        chunks.append(Chunk(condition=window, window=True))
    else:
        whole = {"before": older, "condition": window, "window": True}
        chunks = [chunk.model_copy(update=whole) for chunk in ranges]
    after = {"kind": KIND, "column": column, "from": horizon.start, "high": horizon.high}
    changes = {"deduplicate": True, "condition": condition(quoted, literal, state)}
    return plan.model_copy(update=changes), chunks, after


def halves(chunk: Chunk) -> list[Chunk]:
    """What a chunk's statements read, one after the other: what lies before its window, if anything does, and it."""
    if chunk.before is None:
        return [chunk]
    older = {"condition": chunk.before, "before": None, "window": False}
    return [chunk.model_copy(update=older), chunk.model_copy(update={"before": None})]


def meeting(plan: Plan, ranges: list[Chunk]) -> list[Chunk]:
    """The ranges, or one in their place: rows alike must meet in one chunk, for each known one drops one."""
    apart = plan.method == "key" and {each.name for each in plan.key} <= {each.name for each in plan.columns}
    return ranges if apart else ranges[:1] and [Chunk()]


def _since(quoted: str, literal: Literal, start: str | None) -> str:
    return f"{quoted} IS NOT NULL" if start is None else f"{quoted} >= {literal(start)}"


def note(reason: str, seconds: float, unit: str = "s") -> str:
    """What a reader of the records should know. reason: a sentence without its stop."""
    return (
        f"{reason}: this run overlaps the last one by {seconds:g} {unit} and drops what that one took. A transaction "
        "that stays open for longer than that can be missed."
    )
