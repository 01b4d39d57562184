"""Figures that know where they come from: computed from pointers into the run folder's files, and from nothing else.

A pointer is `file#/path/to/value` (RFC 6901); a part `*` stands for each element of a list or mapping in turn.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, Literal

from extraction_agent.model import Strict

How = Literal[
    "as it is", "median", "highest", "lowest", "sum", "count", "95 % are below", "sum by sum", "first of all",
    "medians' increase", "medians' ratio", "sums' increase", "hours won",
]  # fmt: skip
Unit = Literal["", "records/min", "s", "s/record", "share", "increase", "bytes", "cores", "times", "users", "hours"]


class Figure(Strict):
    """One number of the report."""

    value: float
    unit: Unit
    how: How
    of: tuple[str, ...]

    @property
    def shown(self) -> str:
        """As a person reads it."""
        return shown(self.value, self.unit)


class Figures:
    """Takes figures out of files."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw

    def take(self, how: How, *of: str, unit: Unit) -> Figure | None:
        """None where a file or a value is missing."""
        lists = [self.values(pointer) for pointer in of]
        if not all(lists) and how != "count":
            return None
        value = _COMPUTE[how](lists)
        return Figure(value=value, unit=unit, how=how, of=of) if math.isfinite(value) else None

    def values(self, pointer: str) -> list[float]:
        """All numbers that a pointer leads to; none if one of them is not known, for then they are not whole."""
        name, _, path = pointer.partition("#")
        found = _resolve(self._raw.get(name), path.split("/")[1:])
        numbers = [float(one) for one in found if isinstance(one, int | float)]
        return numbers if len(numbers) == len(found) else []


def pointer(name: str, *parts: str) -> str:
    """To a value in a file."""
    return f"{name}#{''.join('/' + part.replace('~', '~0').replace('/', '~1') for part in parts)}"


def _resolve(content: Any, parts: Sequence[str]) -> list[Any]:
    if not parts:
        return [content]
    part, rest = parts[0].replace("~1", "/").replace("~0", "~"), parts[1:]
    if part == "*" and isinstance(content, dict | list):
        each = content.values() if isinstance(content, dict) else content
        return [one for inner in each for one in _resolve(inner, rest)]
    if isinstance(content, list) and part.isdecimal() and int(part) < len(content):
        return _resolve(content[int(part)], rest)
    if isinstance(content, dict) and part in content:
        return _resolve(content[part], rest)
    return [None]  # left out is not known, as null is


def _ratio(lists: list[list[float]]) -> float:
    before, after = map(statistics.median, lists)
    return after / before if before else math.nan


def _by_sum(lists: list[list[float]]) -> float:
    """All lists but the last, by the last."""
    *parts, whole = map(sum, lists)
    return sum(parts) / whole if whole else math.nan


def _first_of_all(lists: list[list[float]]) -> float:
    """The first list's share of what all of them come to."""
    sums = [sum(one) for one in lists]
    return sums[0] / sum(sums) if sum(sums) else math.nan


def _hours_won(lists: list[list[float]]) -> float:
    """What jobs would have taken at the median before, less what they took: pairs of lists of seconds."""
    pairs = zip(lists[::2], lists[1::2], strict=True)
    return sum(statistics.median(before) * len(after) - sum(after) for before, after in pairs) / 3600


def _most_are_below(lists: list[list[float]]) -> float:
    ordered = sorted(lists[0])
    return ordered[math.ceil(0.95 * len(ordered)) - 1]


_COMPUTE: dict[How, Callable[[list[list[float]]], float]] = {
    "as it is": lambda lists: lists[0][0],
    "median": lambda lists: statistics.median(chain(*lists)),
    "highest": lambda lists: max(chain(*lists)),
    "lowest": lambda lists: min(chain(*lists)),
    "sum": lambda lists: sum(map(sum, lists)),
    "count": lambda lists: float(sum(map(len, lists))),
    "95 % are below": _most_are_below,
    "sum by sum": _by_sum,
    "first of all": _first_of_all,
    "medians' increase": lambda lists: _ratio(lists) - 1,
    "medians' ratio": _ratio,
    "sums' increase": lambda lists: _by_sum(lists[2:]) / _by_sum(lists[:2]) - 1,
    "hours won": _hours_won,
}


def shown(value: float, unit: Unit) -> str:
    """Four digits at most, in the unit that a person would choose."""
    words = _WORDS.get(unit)
    return words(value) if words else f"{_short(value)} {unit}".rstrip()


def _size(value: float) -> str:
    for power, name in ((0, "B"), (10, "KiB"), (20, "MiB")):
        if abs(value) < 2 ** (power + 10):
            return f"{_short(value / 2**power)} {name}"
    return f"{value / 2**30:,.2f} GiB"


def _duration(seconds: float) -> str:
    for limit, factor, name in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s"), (7200.0, 1 / 60, "min")):
        if seconds < limit:
            return f"{_short(seconds * factor)} {name}"
    return f"{_short(seconds / 3600)} h"


def _short(value: float) -> str:
    if value == 0 or abs(value) >= 100 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.3g}"


_WORDS: dict[Unit, Callable[[float], str]] = {
    "share": lambda value: f"{_short(100 * value)} %",
    "increase": lambda value: f"{100 * value:+,.1f} %" if value < 1 else f"{_short(1 + value)} times",
    "times": lambda value: f"{_short(value)} times",
    "hours": lambda value: f"{_short(value)} h",
    "bytes": _size,
    "s": _duration,
    "s/record": lambda value: f"{_duration(value)} a record",
}
