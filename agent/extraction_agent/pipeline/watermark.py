"""What the kept state of an incremental config says: what it belongs to, how old its horizon is, how much it holds."""

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from extraction_agent import errors
from extraction_agent.model import Definition
from extraction_agent.sources.protocol import Source

_RANGE = re.compile(r"\[(\d+),(\d+)\)")

_WORDS = {"where": "the database", "relation": "what is read", "parameters": "--param", "column": "--watermark"}


def owner(source: Source, definition: Definition) -> dict[str, Any]:
    """What a state belongs to. Columns and chunks may change between runs; this may not."""
    return {
        "where": source.where,
        "relation": definition.table or definition.query,
        "parameters": definition.parameters,
        "column": definition.watermark,
    }


def refuse_other(state: dict[str, Any] | None, of: dict[str, Any], name: str) -> None:
    """Raise UsageError if the state was kept for something else than `of`."""
    if state is None or state["of"] == of:
        return
    changed = [
        f"{word} was {state['of'][key] or 'none'} and is {of[key] or 'none'}"
        for key, word in _WORDS.items()
        if state["of"][key] != of[key]
    ]
    raise errors.UsageError(
        f"The watermark of config {name} belongs to other rows: {'; '.join(changed)}. Extract under another --name, "
        f"or take everything again after `extractctl watermark reset {name}`."
    )


@dataclass(frozen=True, slots=True)
class Facts:
    """A state as `watermark show` and the metrics tell it.

    horizon: what the next run reads again at most, as the source wrote it; None: everything.
    age_seconds: of the horizon; None: it is no time. seen: transactions kept by number.
    """

    kind: str
    column: str
    horizon: str | None
    age_seconds: float | None
    seen: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def facts(state: dict[str, Any], now: datetime | None = None) -> Facts:
    """Read a kept state."""
    horizon = state.get("low") or state.get("from")
    seen = sum(int(high) - int(low) for low, high in _RANGE.findall(state.get("seen", "")))
    return Facts(state["kind"], state["column"], horizon, _age(horizon, now or datetime.now(UTC)), seen)


def _age(horizon: str | None, now: datetime) -> float | None:
    try:
        time = datetime.fromisoformat(horizon or "")
    except ValueError:  # a number, or a time beyond Python's
        return None
    return (now - (time if time.tzinfo else time.replace(tzinfo=UTC))).total_seconds()
