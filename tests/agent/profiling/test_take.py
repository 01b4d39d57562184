"""`extractctl profile take`: what it leaves, and what it is asked wrongly."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from extraction_agent import errors
from extraction_agent.interfaces.cli.main import app
from support import Database


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["profile", "take", *arguments])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_an_extraction_of_its_own(source: Database, store: Database, tmp_path: Path) -> None:
    source.run(
        "CREATE TABLE item AS SELECT n AS id, 'word' AS text FROM generate_series(1, 20000) AS n", "ANALYZE item"
    )
    folder = tmp_path / "made"
    told = _run(source.url, "--table", "item", "--store", store.url, "--to", str(folder), "--no-flame")
    assert told.startswith("bottleneck")
    profile = json.loads((folder / "profile.json").read_text(encoding="utf-8"))
    assert (profile["kind"], profile["version"]) == ("profile", 1)
    assert profile["evidence"]["records"] == 20000  # it ended by itself, and committed all
    assert sum(profile["shares"].values()) == pytest.approx(1, abs=0.01)
    assert profile["evidence"]["relay"]["nothing"] > 0
    assert profile["evidence"]["agent_statements"]["claim"][0] >= 1
    (read,) = profile["evidence"]["sources"]
    assert "Seq Scan on item" in read["plan"]
    assert "actual" in read["plan"]  # it was run: a table is only read
    assert sorted(one.name for one in folder.iterdir()) == ["profile.json", "profile.md"]
    assert store.value("SELECT count(*) FROM extraction_data") == 0
    assert store.value("SELECT count(*) FROM extraction_configs") == 0


def test_what_cannot_be_extracted_is_no_profile(source: Database, store: Database, tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="nowhere"):
        _run(source.url, "--table", "nowhere", "--store", store.url, "--to", str(tmp_path / "made"), "--no-flame")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Say what to profile"),
        (["postgresql://a@b/c"], "Say what to profile"),
        (["postgresql://a@b/c", "--table", "t", "--agent", "http://127.0.0.1:1"], "Say what to profile"),
        (["postgresql://a@b/c", "--table", "t", "--pid", "1"], "--pid belongs to --agent"),
        (["--agent", "ftp://127.0.0.1"], "An agent's URL is"),
    ],
)
def test_what_is_asked_wrongly(store: Database, tmp_path: Path, arguments: list[str], says: str) -> None:
    with pytest.raises(errors.UsageError, match=says):
        _run(*arguments, "--store", store.url, "--to", str(tmp_path / "made"))


def test_no_such_process(store: Database, tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="There is no process 99999999"):
        _run("--agent", "http://127.0.0.1:1", "--pid", "99999999", "--store", store.url, "--to", str(tmp_path / "made"))


def test_an_agent_that_is_away(store: Database, tmp_path: Path) -> None:
    with pytest.raises(errors.AgentUnavailable, match="nothing listens there"):
        _run("--agent", "http://127.0.0.1:1", "--store", store.url, "--to", str(tmp_path / "made"))


def test_an_extraction_that_fails_at_once_is_no_profile(store: Database, tmp_path: Path) -> None:
    with pytest.raises(errors.SourceError, match="is not there"):
        _run(f"sqlite://{tmp_path}/nowhere.db", "--table", "t", "--store", store.url, "--to", str(tmp_path / "made"))
