"""What a PromQL expression names, and what the agent's code has: one that is renamed in either is seen."""

import re
from collections.abc import Iterable

from extraction_agent.observe import metrics

OF_PROMETHEUS = frozenset({"up"})  # series of its own
LABELS_OF_PROMETHEUS = frozenset({"job", "instance"})
_PARTS = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("", "_count", "_sum"), "info": ("_info",)}

_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`")
_MATCHERS = re.compile(r"\{[^}]*\}")
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", re.IGNORECASE)
_RANGE = re.compile(r"\[[^\]]*\]")
_OFFSET = re.compile(r"\boffset\s+-?\w+")
_NUMBER = re.compile(r"\b\d[\w.]*")
_NAME = re.compile(r"([A-Za-z_:][\w:]*)\s*(\(?)")
_WORDS = frozenset({"and", "or", "unless", "bool", "inf", "nan"})


def series(expression: str) -> set[str]:
    """Names of the series that an expression reads."""
    text = _STRING.sub('""', expression)
    for pattern in (_MATCHERS, _RANGE, _GROUPING, _OFFSET, _NUMBER):
        text = pattern.sub(" ", text)
    found = {name for name, called in _NAME.findall(text) if not called}
    return {name for name in found if name.lower() not in _WORDS}


def labels(expression: str) -> set[str]:
    """Names of the labels that an expression matches or groups by."""
    text = _STRING.sub('""', expression)
    found = {name for matchers in _MATCHERS.findall(text) for name in re.findall(r"(\w+)\s*(?:=|!)", matchers)}
    for _, grouped in _GROUPING.findall(text):
        found |= set(re.findall(r"\w+", grouped))
    return found


def known_series(recorded: Iterable[str] = ()) -> set[str]:
    """Series that the agent exposes, those of Prometheus itself, and those that rules record."""
    found = set(OF_PROMETHEUS) | set(recorded)
    for family in metrics.REGISTRY.collect():
        total = ("_total",) if family.type == "counter" else ("",)
        found |= {family.name + ending for ending in _PARTS.get(family.type, total)}
    return found


def known_labels() -> set[str]:
    """Labels that any of them may have."""
    return {"le"}.union(LABELS_OF_PROMETHEUS, *metrics.LABELS.values())
