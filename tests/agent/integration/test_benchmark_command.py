"""The benchmark runs what `extract` runs, in turn, and leaves nothing in a user's store."""

import json
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from typer.testing import CliRunner

from extraction_agent import errors
from extraction_agent.interfaces.cli.main import app
from support import Database


def _run(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["benchmark", *arguments, "--json"])
    if done.exception is not None:
        raise done.exception
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _left(store: Database) -> tuple[Any, ...]:
    return store.rows(
        "SELECT (SELECT count(*) FROM extractions), (SELECT count(*) FROM extraction_configs), "
        "(SELECT count(*) FROM extraction_data), (SELECT count(*) FROM extraction_chunks), "
        "(SELECT count(*) FROM procrastinate_jobs), (SELECT count(*) FROM pg_class "
        "WHERE relkind = 'r' AND relnamespace IN ('extraction_parts'::regnamespace, 'extraction_typed'::regnamespace))"
    )[0]


_KEYED = ("ALTER TABLE item ADD PRIMARY KEY (id)", "ANALYZE item")


def test_servers_of_its_own() -> None:
    told = _run("--rows", "500", "--runs", "2")
    assert (told["rows"], told["runs"]) == (500, 2)
    assert [one["name"] for one in told["profiles"]] == ["baseline", "optimized"]
    for one in told["profiles"]:
        assert len(one["seconds"]) == 2
        assert one["min_seconds"] <= one["median_seconds"] <= one["max_seconds"]
        assert one["rows_per_minute"] > 0
    assert told["profiles"][0]["ratio"] == 1
    assert set(told["machine"]) == {"cores", "memory_bytes", "python", "postgresql"}
    assert set(told["machine"]["postgresql"]) == {"source", "store"}


@pytest.mark.parametrize("format_", ["json", "typed"])
def test_a_store_of_the_user_is_left_as_it_was(source: Database, store: Database, format_: str) -> None:
    source.run("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 1000) AS n", *_KEYED)
    told = _run(
        "--profiles", "optimized,low_impact", "--runs", "1", "--source", source.url, "--table", "item",
        "--store", store.url, "--format", format_,
    )  # fmt: skip
    assert told["rows"] == 1000
    assert store.value("SELECT last_value FROM extractions_id_seq") == 2  # they ran here
    assert _left(store) == (0, 0, 0, 0, 0, 0)


def test_ctrl_c_leaves_nothing_behind(source: Database, store: Database) -> None:
    source.run("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 300000) AS n", *_KEYED)
    command = [
        sys.executable, "-c", "from extraction_agent.interfaces.cli.main import main; main()", "benchmark",
        "--profiles", "baseline", "--source", source.url, "--table", "item", "--store", store.url,
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while store.value("SELECT count(*) FROM extraction_data") < 50:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        output, told = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert told.endswith("Interrupted. What the benchmark had written is deleted.\n")
    assert "Traceback" not in told
    assert _left(store) == (0, 0, 0, 0, 0, 0)


def test_what_does_not_fit_together_is_refused(store: Database) -> None:
    with pytest.raises(errors.UsageError, match="belong together"):
        _run("--source", "postgresql://x@localhost/x", "--store", store.url)
    with pytest.raises(errors.UsageError, match="Did you mean optimized"):
        _run("--profiles", "baseline,optimised")
    with pytest.raises(errors.UsageError, match="belongs to --source"):
        _run("--secret", "x")
