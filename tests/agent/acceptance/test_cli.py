"""`extractctl` as a person meets it: what it says, with which status it ends, and what it leaves."""

import json
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import pytest
from psycopg import sql as q

from agent.faults.harness import begin, execute, run, until
from extraction_agent import embedded
from support import Database

ITEMS: LiteralString = "CREATE TABLE item AS SELECT n AS id, 'name of ' || n AS name FROM generate_series(1, 5000) AS n"
KEY: LiteralString = "ALTER TABLE item ADD PRIMARY KEY (id)"
# A view that takes about 5 ms a row: time enough to interrupt it.
SLOW: LiteralString = "CREATE VIEW slow AS SELECT id, name, pg_sleep(0.005)::text AS pause FROM item"
KEYS = {"extraction_id", "status", "rows", "bytes", "chunks", "seconds", "rows_per_minute"}
LETS_GO = 6.0  # s from a signal to the end, generous; some 1 s on an idle machine


@pytest.fixture
def items(source: Database) -> Database:
    source.run(ITEMS, KEY, SLOW)
    return source


def extract(source: Database, store: Database, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run("extract", source.url, "--store", store.url, *arguments)


def slowly(source: Database, store: Database) -> "subprocess.Popen[str]":
    """An extraction under way: some 25 s of work by itself."""
    process = begin("extract", source.url, "--table", "slow", "--name", "slow", "--store", store.url)
    until(lambda: store.rows("SELECT FROM extraction_chunks WHERE state = 'running'") != [])
    return process


def test_json_of_extract_show_and_resume_has_what_a_script_needs(items: Database, store: Database) -> None:
    done = extract(items, store, "--table", "item", "--chunk-rows", "1000", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts.keys() >= KEYS
    assert (facts["status"], facts["rows"], facts["chunks"]) == ("succeeded", 5000, 5)
    assert facts["rows_per_minute"] > 0
    shown = run("show", str(facts["extraction_id"]), "--store", store.url, "--json")
    assert json.loads(shown.stdout) == facts

    store.run("UPDATE extractions SET status = 'failed'", "UPDATE extraction_chunks SET state = 'waiting', rows = NULL")
    store.run("DELETE FROM extraction_data", "UPDATE extractions SET attached = false")
    store.run("ALTER TABLE extraction_parts.e1 NO INHERIT extraction_data")
    resumed = run("resume", "1", "--store", store.url, "--json")
    assert resumed.returncode == 0, resumed.stderr
    facts = json.loads(resumed.stdout)
    assert facts.keys() >= KEYS
    assert (facts["status"], facts["rows"]) == ("succeeded", 5000)
    assert store.value("SELECT count(*) FROM extraction_data") == 5000


def test_zero_rows_are_an_extraction_too(items: Database, store: Database) -> None:
    items.run("DELETE FROM item")
    for format_ in ("json", "typed"):
        done = extract(items, store, "--table", "item", "--format", format_, "--name", format_, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout).items() >= {"status": "succeeded", "rows": 0}.items()
    assert store.value("SELECT count(*) FROM extraction_data") == 0
    assert store.value("SELECT count(*) FROM extraction_typed.typed") == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interrupted_extraction_keeps_its_chunks_and_resumes(
    items: Database, store: Database, number: signal.Signals
) -> None:
    items.run("CREATE TABLE wide AS SELECT n AS id, repeat('x', 2000) AS text FROM generate_series(1, 60000) AS n")
    items.run("ALTER TABLE wide ADD PRIMARY KEY (id)", "ANALYZE wide")
    process = begin("extract", items.url, "--table", "wide", "--chunk-rows", "1000", "--store", store.url)
    until(lambda: store.rows("SELECT FROM extraction_chunks WHERE state = 'done'") != [])
    process.send_signal(number)
    begun = time.monotonic()
    _, told = process.communicate(timeout=30)
    assert process.returncode == 1, told
    assert time.monotonic() - begun < LETS_GO
    assert "Interrupted. Extraction 1 keeps its finished chunks: `extractctl resume 1` does the rest" in told
    assert "Traceback" not in told
    kept = store.value("SELECT count(*) FROM extraction_chunks WHERE state = 'done'")
    assert 0 < kept < 60, "it had ended before it was interrupted"
    assert store.value("SELECT status FROM extractions") == "running"
    assert store.value("SELECT count(*) FROM extraction_chunks WHERE state = 'running'") == 0
    assert store.value("SELECT count(*) FROM extraction_data") == 0, "part of an extraction is visible"

    done = run("resume", "1", "--store", store.url, "--json")
    assert done.returncode == 0, done.stderr
    assert store.rows("SELECT count(*), count(DISTINCT data ->> 'id') FROM extraction_data") == [(60000, 60000)]
    assert store.value("SELECT max(attempt) FROM extraction_chunks") <= 2


def test_ctrl_c_ends_a_statement_that_streams_nothing_yet(items: Database, store: Database) -> None:
    process = slowly(items, store)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, told = process.communicate(timeout=30)
    assert time.monotonic() - begun < LETS_GO
    assert process.returncode == 1
    assert "Interrupted" in told
    assert "Traceback" not in told
    ours: LiteralString = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'extraction%'"
    )
    until(lambda: not items.rows(ours))


def test_a_second_extraction_of_the_config_is_refused_with_the_id_of_the_first(
    items: Database, store: Database
) -> None:
    process = slowly(items, store)
    second = extract(items, store, "--table", "slow", "--name", "slow")
    assert second.returncode == 1
    assert "Extraction 1 of config slow is not finished" in second.stderr
    assert store.value("SELECT count(*) FROM extractions") == 1

    cancelled = run("cancel", "1", "--store", store.url, "--json")
    assert cancelled.returncode == 0, cancelled.stderr
    assert json.loads(cancelled.stdout)["status"] == "cancelled"
    _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Extraction 1 was cancelled; nothing of it is in the store." in told
    assert "Traceback" not in told
    assert store.value("SELECT count(*) FROM extraction_data") == 0
    assert not store.rows("SELECT FROM pg_tables WHERE schemaname = 'extraction_parts'")
    assert run("cancel", "1", "--store", store.url).returncode == 1
    again = run("resume", "1", "--store", store.url)
    assert again.returncode == 1
    assert "there is nothing to resume" in again.stderr


@pytest.mark.parametrize(
    ("source_url", "status", "says"),
    [
        ("oracle://host/db", 2, "A source URL begins with one of"),
        ("postgresql://nobody@127.0.0.1:1/none", 1, "check that the server runs"),
        ("postgresql://x@no-such-host.invalid/none", 1, "check the host name"),
        ("postgresql:///?nonsense=1", 2, "nonsense"),
    ],
)
def test_a_wrong_source_is_told_in_a_sentence(store: Database, source_url: str, status: int, says: str) -> None:
    done = run("extract", source_url, "--table", "item", "--store", store.url)
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert store.value("SELECT count(*) FROM extractions") == 0


def test_a_missing_database_is_told_in_a_sentence(server: embedded.Server, store: Database) -> None:
    done = run("extract", server.url("not_there"), "--table", "item", "--store", store.url)
    assert done.returncode == 1, done.stderr
    assert 'database "not_there" does not exist' in done.stderr


def test_a_wrong_store_is_told_in_a_sentence(items: Database) -> None:
    missing = run("extract", items.url, "--table", "item", "--store", "postgresql://x@127.0.0.1:1/none")
    assert missing.returncode == 1
    assert "check that the server runs" in missing.stderr
    no_store = run("extract", items.url, "--table", "item")
    assert no_store.returncode == 2
    assert "--store" in no_store.stderr
    unreadable = run("extract", items.url, "--table", "item", "--store", "nonsense")
    assert unreadable.returncode == 2
    assert "store's URL is postgresql://" in unreadable.stderr


def test_a_store_that_is_not_prepared_or_too_new_is_told_in_a_sentence(items: Database, store: Database) -> None:
    empty = run("extract", items.url, "--table", "item", "--store", items.url)
    assert empty.returncode == 2
    assert "prepare it with `extractctl store init" in empty.stderr
    store.run("INSERT INTO extraction_schema (version, name, checksum) VALUES (9999, 'of tomorrow', 'x')")
    for command in (("extract", items.url, "--table", "item"), ("list",), ("store", "init")):
        newer = run(*command, "--store", store.url)
        assert newer.returncode == 2, newer.stderr
        assert "version 9999" in newer.stderr
        assert "Upgrade the program" in newer.stderr


def test_an_unknown_extraction_is_told_in_a_sentence(store: Database) -> None:
    for command in ("show", "resume", "cancel"):
        done = run(command, "77", "--store", store.url)
        assert done.returncode == 2, done.stderr
        assert "There is no extraction 77" in done.stderr


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of a few megabytes that a server may write to."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    with embedded.folder() as folder:
        place = folder / "small"
        place.mkdir()
        options = f"size=12m,uid={pwd.getpwnam('nobody').pw_uid},mode=700"  # whom the servers run as
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=False).returncode:
            pytest.skip("this root may not mount a file system")
        try:
            yield place
        finally:
            subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_at_the_store_fails_the_extraction_and_resume_finishes_it(
    items: Database, store: Database, server: embedded.Server, small_disk: Path
) -> None:
    items.run(
        "CREATE TABLE wide AS SELECT n AS id, repeat(md5(n::text), 60) AS text FROM generate_series(1, 20000) AS n",
        "ALTER TABLE wide ADD PRIMARY KEY (id)",
        "ANALYZE wide",
    )
    database = q.Identifier(store.value("SELECT current_database()"))
    execute(server.url(), q.SQL("CREATE TABLESPACE small LOCATION {}").format(q.Literal(str(small_disk))))
    try:
        execute(store.url, q.SQL("ALTER DATABASE {} SET default_tablespace = small").format(database))
        execute(store.url, "ALTER TABLE extraction_data ALTER data SET STORAGE EXTERNAL")
        full = extract(items, store, "--table", "wide", "--chunk-rows", "2000")
        assert full.returncode == 1, full.stderr
        assert "No space left on device" in full.stderr
        assert "free space there" in full.stderr
        assert store.value("SELECT status FROM extractions") == "failed"
        assert store.value("SELECT count(*) FROM extraction_data") == 0
        subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
        done = run("resume", "1", "--store", store.url)
        assert done.returncode == 0, done.stderr
        assert store.rows("SELECT count(*), count(DISTINCT data ->> 'id') FROM extraction_data") == [(20000, 20000)]
    finally:
        store.run("DROP SCHEMA extraction_parts CASCADE")
        execute(server.url(), "DROP TABLESPACE small")
