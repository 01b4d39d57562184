"""The reference in docs is what the code says."""

import runpy
from pathlib import Path

import pytest

_TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "reference.py"))


@pytest.mark.parametrize("page", ["api.md", "cli.md", "configuration.md", "metrics.md", "profile.md"])
def test_reference_is_current(page: str) -> None:
    written = (_TOOL["REFERENCE"] / page).read_text(encoding="utf-8")
    assert written == _TOOL["pages"]()[page], "run `.venv/bin/python tools/reference.py`"


def test_profiles_are_told_as_they_are_written() -> None:
    """What a reader copies into a file must be YAML."""
    lines = _TOOL["profile"]().splitlines()
    tables = [cell.strip() for line in lines if line.startswith("| `") for cell in line.split("|")[3:]]
    assert {"true", "false", "null", "[]"} <= set(tables)
    assert not {"True", "False", "None", "()"} & set(tables)


def test_each_metric_with_results_has_its_own() -> None:
    text = _TOOL["metric_names"]()
    for name, value in (("extraction_chunks_total", "fenced"), ("extraction_trials_total", "confirmed")):
        line = next(line for line in text.splitlines() if line.startswith(f"Values of `result` in `{name}`"))
        assert f"`{value}`" in line
