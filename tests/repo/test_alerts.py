"""The alert rules, by promtool: they parse, and fire when they should and only then."""

import shutil
import subprocess
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[2] / "prometheus"
_PROMTOOL = shutil.which("promtool")


@pytest.mark.ci
@pytest.mark.skipif(_PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
def test_alerts_fire_when_they_should() -> None:
    assert _PROMTOOL is not None
    command = [_PROMTOOL, "test", "rules", "extraction.test.yml"]
    done = subprocess.run(command, cwd=_FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout + done.stderr
