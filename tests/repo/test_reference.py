"""The reference in docs is what the code says."""

import runpy
from pathlib import Path

import pytest

_TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "reference.py"))


@pytest.mark.parametrize("page", ["api.md", "cli.md", "configuration.md", "metrics.md", "profile.md"])
def test_reference_is_current(page: str) -> None:
    written = (_TOOL["REFERENCE"] / page).read_text(encoding="utf-8")
    assert written == _TOOL["pages"]()[page], "run `.venv/bin/python tools/reference.py`"
