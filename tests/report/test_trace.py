"""Every figure of report.json is found again in the run folder, by a reader of its own."""

import json
import math
import statistics
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from extraction_agent.interfaces.cli.main import app
from report import folders


def _read(path: Path, pointer: str) -> list[float]:
    name, _, place = pointer.partition("#/")
    text = (path / name).read_text(encoding="utf-8")
    found: list[Any] = [yaml.safe_load(text) if name.endswith(".yml") else json.loads(text)]
    for part in place.split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        found = [
            inner
            for one in found
            for inner in (
                (one.values() if isinstance(one, dict) else one)
                if key == "*"
                else [one[int(key)] if isinstance(one, list) else one[key]]
            )
        ]
    return found


def _won(lists: list[list[float]]) -> float:
    won = 0.0
    for before, after in zip(lists[::2], lists[1::2], strict=True):
        won += sum(statistics.median(before) - one for one in after)
    return won / 3600


def _quotient(of: list[list[float]]) -> float:
    return sum(map(sum, of[:-1])) / sum(of[-1])


_AGAIN: dict[str, Callable[[list[list[float]]], float]] = {
    "as it is": lambda of: of[0][0] if len(of) == len(of[0]) == 1 else math.nan,
    "median": lambda of: statistics.median(of[0]),
    "sum": lambda of: sum(map(sum, of)),
    "count": lambda of: sum(map(len, of)),
    "sum by sum": _quotient,
    "first of all": lambda of: of[0][0] / sum(one for [one] in of),
    "medians' ratio": lambda of: statistics.median(of[1]) / statistics.median(of[0]),
    "medians' increase": lambda of: statistics.median(of[1]) / statistics.median(of[0]) - 1,
    "sums' increase": lambda of: _quotient(of[2:]) / _quotient(of[:2]) - 1,
    "hours won": _won,
}


def _figures(told: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(told, dict):
        if told.keys() == {"value", "unit", "how", "of"}:
            yield where, told
            return
        for key, value in told.items():
            yield from _figures(value, f"{where}/{key}")
    elif isinstance(told, list):
        for number, value in enumerate(told):
            yield from _figures(value, f"{where}/{number}")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with its report."""
    files = {**folders.whole(), "history.json": folders.history()}
    made = folders.write(tmp_path_factory.mktemp("run"), files)
    done = CliRunner().invoke(app, ["report", str(made)])
    assert done.exit_code == 0, done.output
    return made


@pytest.fixture
def report(run: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((run / "report.json").read_text(encoding="utf-8"))
    return made


def test_every_figure_is_found_again(run: Path, report: dict[str, Any]) -> None:
    found = list(_figures(report))
    assert len(found) > 100
    for where, figure in found:
        lists = [_read(run, pointer) for pointer in figure["of"]]
        assert math.isclose(figure["value"], _AGAIN[figure["how"]](lists), rel_tol=1e-9, abs_tol=1e-12), where


def test_every_other_source_is_there(run: Path, report: dict[str, Any]) -> None:
    for part in [*report["risks"], *report["lessons"], *report["regressions"]]:
        for pointer in part["of"]:
            assert _read(run, pointer), pointer
    for one in report["regressions"]:
        assert one["of"], one


def test_a_paired_change_is_found_again(run: Path, report: dict[str, Any]) -> None:
    paired = [one for one in report["regressions"] if one["compared"] == 5]
    assert len(paired) == 6
    for one in paired:
        values = [_read(run, pointer) for pointer in one["of"]]
        if len(values) == 4:  # each by another
            values = [[a / b for a, b in zip(*values[at : at + 2], strict=True)] for at in (0, 2)]
        old, new = values
        logs = [math.log(b / a) for a, b in zip(old, new, strict=True)]
        assert math.isclose(one["change"], math.expm1(statistics.fmean(logs)), rel_tol=1e-9)


def test_files_are_named_with_their_digests(run: Path, report: dict[str, Any]) -> None:
    named = {one["name"]: one["sha256"] for one in report["files"]}
    assert set(named) == {*folders.whole(), "history.json"}
    for name, digest in named.items():
        assert sha256((run / name).read_bytes()).hexdigest() == digest


def test_the_page_has_each_figure_with_its_source(run: Path, report: dict[str, Any]) -> None:
    page = (run / "report.html").read_text(encoding="utf-8")
    for _, figure in _figures(report):
        for pointer in figure["of"]:
            assert pointer.replace("'", "&#39;") in page, pointer
