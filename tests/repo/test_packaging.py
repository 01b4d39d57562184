"""The files in packaging/: the agent takes the example, systemd takes the unit and finds little exposed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from extraction_agent import secrets
from extraction_agent.interfaces.agent import configuration

PACKAGING = Path(__file__).parents[2] / "packaging"
UNIT = PACKAGING / "extraction-agent.service"
MOST_EXPOSED = 15  # tenths, as systemd-analyze counts them
ANALYZE = shutil.which("systemd-analyze")

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def test_the_example_is_a_valid_configuration() -> None:
    loaded = configuration.load(PACKAGING / "extraction-agent.yml")
    assert secrets.variable(str(loaded.config.store.secret)) in loaded.reserved_secrets()


@pytest.mark.ci
@needs_systemd
def test_the_unit_exposes_little() -> None:
    assert ANALYZE is not None
    command = [ANALYZE, "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Overall exposure level" in done.stdout, done.stderr
    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.ci
@needs_systemd
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """All but where the program is: it is not installed here."""
    assert ANALYZE is not None
    unit = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    unit.write_text(text.replace("/opt/extraction-agent/bin/extraction-agent", "/bin/true"), encoding="utf-8")
    done = subprocess.run([ANALYZE, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
