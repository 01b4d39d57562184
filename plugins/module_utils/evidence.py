"""A verdict's evidence as lines of a table."""

from __future__ import annotations

from typing import Any

_HEADS = ("about", "metric", "old", "new", "effect", "interval", "rule", "outcome")


def table(evidence: dict[str, Any]) -> list[str]:
    """Each metric with both medians, effect, interval, rule and outcome; then the verdict with its reasons."""
    rows = [_HEADS, *(_row(one) for one in evidence.get("findings", []))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return [*lines, f"{evidence['verdict']}: {' '.join(evidence.get('because', []))}"]


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    interval = "" if one["low"] is None else f"{_change(one, 'low')} to {_change(one, 'high')}"
    return (
        one["about"], one["metric"], _figure(one["old"], one["unit"]), _figure(one["new"], one["unit"]),
        _change(one, "effect"), interval, one["rule"], one["outcome"],
    )  # fmt: skip


def _change(one: dict[str, Any], name: str) -> str:
    value = one[name]
    return "" if value is None else f"{100 * value:+.1f} {'points' if one['points'] else '%'}"


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    shown = f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    return f"{shown} {unit}".rstrip()
