"""The servers that the tutorial offers to whoever has none."""

import subprocess
import sys
from pathlib import Path

import psycopg

TOOL = Path(__file__).parents[2] / "tools" / "tutorial.py"


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TOOL, *words], check=False, capture_output=True, text=True, timeout=120)


def test_they_start_and_are_gone_again() -> None:
    started = _run("start")
    assert started.returncode == 0, started.stderr
    word, *named = started.stdout.split()
    assert word == "export"
    said = dict(name.split("=", 1) for name in named)
    try:
        with psycopg.connect(said["SHOP"]) as shop, psycopg.connect(said["EXTRACTION_STORE"]) as store:
            assert shop.execute("SELECT count(*) FROM orders").fetchone() == (3_000_000,)
            assert store.execute("SELECT current_database()").fetchone() == ("extraction",)
    finally:
        stopped = _run("stop", said["TUTORIAL"])
    assert stopped.returncode == 0, stopped.stderr
    assert not Path(said["TUTORIAL"]).exists()
    assert _run("stop", said["TUTORIAL"]).returncode == 2
