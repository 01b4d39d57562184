"""The dashboards as they are checked in, taken apart: panels, queries, and the queries as Prometheus takes them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "grafana" / "dashboards"
NAMES = ("extraction-performance.json", "extraction-analytics.json")

# What Grafana fills in, as it would for some minutes of samples that came every second.
FILLED = {
    "$__rate_interval": "120s",
    "$__interval": "2s",
    "$__range": "180s",
    "$job": "extraction",  # all of them: the choice has no more
    "$instance": ".+",
    "$ago": "5s",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One query, and where it stands."""

    where: str
    expr: str
    legend: str

    @property
    def filled(self) -> str:
        """As Prometheus is asked it. Raises ValueError for a variable that nobody knows."""
        text = self.expr
        for name, value in FILLED.items():
            text = re.sub(re.escape(name) + r"\b", value, text)
        if "$" in text:
            raise ValueError(f"{self.where}: unknown variable in {text}")
        return text


def load(name: str) -> dict[str, Any]:
    board: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return board


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All of them, those of folded rows and the rows themselves too."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", [])


def asked(board: dict[str, Any]) -> Iterator[Asked]:
    """The queries of panels."""
    for panel in panels(board):
        for target in panel.get("targets", []):
            where = f"{board['title']}: {panel['title']} {target['refId']}"
            yield Asked(where, target["expr"], target["legendFormat"])


def marks(board: dict[str, Any]) -> Iterator[Asked]:
    """The queries of annotations."""
    for mark in board["annotations"]["list"]:
        yield Asked(f"{board['title']}: {mark['name']}", mark["expr"], mark["titleFormat"] + mark["textFormat"])
