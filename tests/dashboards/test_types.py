"""The dashboards have the shape that Grafana's own types ask for, in the version aimed at and in the newest."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashboards.boards import FOLDER, NAMES, load, panels

_CHECK = FOLDER.parent / "schema-check"

pytestmark = [
    pytest.mark.ci,
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed (Debian: apt-get install npm)"),
]


def _panel(board: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(panel for panel in panels(board) if panel["type"] == kind)


def _misspelled_option(board: dict[str, Any]) -> None:
    options = _panel(board, "timeseries")["options"]
    options["legnd"] = options.pop("legend")


def _unknown_word(board: dict[str, Any]) -> None:
    _panel(board, "timeseries")["fieldConfig"]["defaults"]["custom"]["drawStyle"] = "curve"


def _number_as_text(board: dict[str, Any]) -> None:
    _panel(board, "stat")["gridPos"]["w"] = "3"


def _unknown_kind(board: dict[str, Any]) -> None:
    _panel(board, "stat")["type"] = "graph"


def _query_without_a_name(board: dict[str, Any]) -> None:
    del _panel(board, "table")["targets"][0]["refId"]


_FAULTS: dict[str, Callable[[dict[str, Any]], None]] = {
    "legnd": _misspelled_option,
    '"curve"': _unknown_word,
    "Type 'string' is not assignable to type 'number": _number_as_text,
    '"graph"': _unknown_kind,
    "refId": _query_without_a_name,
}


@pytest.fixture(scope="module")
def _types() -> None:
    """What package-lock.json names, once; no script of a package is run."""
    lock, installed = _CHECK / "package-lock.json", _CHECK / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=_CHECK, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def _check(files: list[Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["node", "check.mjs", *files], cwd=_CHECK, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("_types")
def test_types_fit() -> None:
    done = _check([FOLDER / name for name in NAMES])
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout == "2 dashboards fit Grafana 11.6 and 13.2\n"


@pytest.mark.usefixtures("_types")
def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    """Each fault in a dashboard of its own, all in one run."""
    for place, plant in enumerate(_FAULTS.values()):
        board = load(NAMES[1] if plant is _query_without_a_name else NAMES[0])
        plant(board)
        (tmp_path / f"fault{place}.json").write_text(json.dumps(board), encoding="utf-8")
    done = _check(sorted(tmp_path.iterdir()))
    assert done.returncode == 1
    for place, words in enumerate(_FAULTS):
        for version in ("11.6", "13.2"):
            told = [
                line
                for line in done.stdout.split("\nGrafana ")
                if f"{version}: fault{place}.json:" in line and words in line
            ]
            assert told, f"{version} took {words}: {done.stdout[:5000]}"
