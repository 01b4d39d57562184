"""What the kept state of an incremental config says: how old its horizon is, how much it holds."""

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

_RANGE = re.compile(r"\[(\d+),(\d+)\)")


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
