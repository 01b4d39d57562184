"""The servers that the tutorial offers to whoever has none."""

import subprocess
import sys
from pathlib import Path

import psycopg

from extraction_agent import embedded

TOOL = Path(__file__).parents[2] / "tools" / "tutorial.py"


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TOOL, *words], check=False, capture_output=True, text=True, timeout=120)


def test_they_start_and_are_gone_again() -> None:
    with embedded.folder() as parent:
        _go_through(parent / "tutorial")


def _go_through(folder: Path) -> None:
    started = _run("start", str(folder))
    assert started.returncode == 0, started.stderr
    word, *named = started.stdout.split()
    assert word == "export"
    urls = dict(name.split("=", 1) for name in named)
    try:
        with psycopg.connect(urls["SHOP"]) as shop, psycopg.connect(urls["EXTRACTION_STORE"]) as store:
            assert shop.execute("SELECT count(*) FROM orders").fetchone() == (3_000_000,)
            assert store.execute("SELECT current_database()").fetchone() == ("extraction",)
        again = _run("start", str(folder))
        assert (again.returncode, again.stdout) == (2, "")
    finally:
        stopped = _run("stop", str(folder))
    assert stopped.returncode == 0, stopped.stderr
    assert not folder.exists()
    assert _run("stop", str(folder)).returncode == 2
