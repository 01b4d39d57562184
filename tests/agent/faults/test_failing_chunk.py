"""A chunk that fails: what may pass is tried again with back-off, what may not fails the extraction at once."""

import json
import time

import psycopg
import pytest

from agent.faults.harness import begin, run, until
from extraction_agent import deadlines
from support import Database

# Row 3,500, in the fourth of five chunks, makes its reader's backend fail with a state of one's choice, through the
# cast that to_json takes.


def _trap(source: Database, state: str) -> None:
    source.run(
        "CREATE TABLE item AS SELECT n AS id, NULL::text AS name FROM generate_series(1, 5000) AS n",
        "ALTER TABLE item ADD PRIMARY KEY (id)",
        "CREATE TYPE trap AS ENUM ('set')",
        "ALTER TABLE item ADD COLUMN trap trap",
        "UPDATE item SET trap = 'set' WHERE id = 3500",
        "VACUUM ANALYZE item",
    )
    _arm(source, state)
    source.run("CREATE CAST (trap AS json) WITH FUNCTION tell(trap)")


def _arm(source: Database, state: str) -> None:
    body = "RETURN to_json('disarmed'::text);" if state == "" else f"RAISE 'the trap snaps' USING ERRCODE = '{state}';"
    statement = f"CREATE OR REPLACE FUNCTION tell(trap) RETURNS json LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
    with psycopg.connect(source.url, autocommit=True) as connection:
        connection.execute(statement.encode())


def _extract(source: Database, store: Database) -> tuple[str, ...]:
    return "extract", source.url, "--table", "item", "--chunk-rows", "1000", "--store", store.url


def _assert_failed(store: Database) -> None:
    assert store.value("SELECT status FROM extractions") == "failed"
    assert store.value("SELECT count(*) FROM extraction_data") == 0
    assert store.value("SELECT count(*) FROM extraction_chunks WHERE state = 'done'") < 5


def _assert_resumes(source: Database, store: Database) -> None:
    kept = dict(store.rows("SELECT chunk_no, attempt FROM extraction_chunks WHERE state = 'done'"))
    _arm(source, "")
    done = run("resume", "1", "--store", store.url, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 5000
    assert store.rows("SELECT count(*), count(DISTINCT data ->> 'id') FROM extraction_data") == [(5000, 5000)]
    after = dict(store.rows("SELECT chunk_no, attempt FROM extraction_chunks"))
    assert all(after[chunk] == attempt for chunk, attempt in kept.items()), "finished chunks were done again"


def test_what_repeating_cannot_mend_fails_at_once_with_the_reason_and_the_range(
    source: Database, store: Database
) -> None:
    _trap(source, "22012")
    done = run(*_extract(source, store))
    assert done.returncode == 1
    assert "the trap snaps" in done.stderr
    assert "Chunk 3 (from " in done.stderr
    assert "`extractctl resume 1` does the rest" in done.stderr
    _assert_failed(store)
    assert store.rows("SELECT attempt, failures FROM extraction_chunks WHERE chunk_no = 3") == [(1, 1)]
    _assert_resumes(source, store)


def test_what_may_pass_is_tried_again_until_it_does(source: Database, store: Database) -> None:
    _trap(source, "53200")
    process = begin(*_extract(source, store))
    until(lambda: store.rows("SELECT FROM extraction_chunks WHERE failures >= 2") != [])
    assert process.poll() is None
    told = json.loads(run("show", "1", "--store", store.url, "--json").stdout)
    assert (told["status"], told["error"]) == ("running", None)
    assert "the trap snaps" in told["trouble"]
    assert "trouble" in run("show", "1", "--store", store.url).stdout
    _arm(source, "")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert json.loads(run("show", "1", "--store", store.url, "--json").stdout)["trouble"] is None
    assert store.rows("SELECT count(*), count(DISTINCT data ->> 'id') FROM extraction_data") == [(5000, 5000)]
    assert store.rows("SELECT max(attempt) FROM extraction_chunks WHERE chunk_no <> 3") == [(1,)]


def test_an_index_that_refuses_the_rows_fails_the_extraction_and_not_the_agent(
    source: Database, store: Database
) -> None:
    _trap(source, "")
    store.run("CREATE UNIQUE INDEX one_a_name ON extraction_data ((data ->> 'trap'))")
    source.run("UPDATE item SET trap = 'set' WHERE id = 100")
    done = run(*_extract(source, store))
    assert done.returncode == 1
    assert "Every chunk is done, but the store refused to index and attach them" in done.stderr
    assert "could not create unique index" in done.stderr
    assert store.value("SELECT status FROM extractions") == "failed"
    assert store.value("SELECT count(*) FROM extraction_data") == 0
    store.run("DROP INDEX one_a_name")
    assert run("resume", "1", "--store", store.url).returncode == 0
    assert store.value("SELECT count(*) FROM extraction_data") == 5000
    assert store.value("SELECT max(attempt) FROM extraction_chunks") == 1


def test_jobs_that_end_by_an_error_of_nobodys_do_not_spin(source: Database, store: Database) -> None:
    """Here the store refuses to record the failure. They come again and again, but with a pause."""
    _trap(source, "22012")
    source.run("UPDATE item SET trap = 'set' WHERE id % 250 = 0", "VACUUM ANALYZE item")
    store.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no failures here'; END $$",
        "CREATE TRIGGER refuse BEFORE UPDATE ON extractions FOR EACH ROW "
        "WHEN (NEW.status = 'failed') EXECUTE FUNCTION refuse()",
    )
    process = begin(*_extract(source, store))
    attempts = "SELECT max(attempts) FROM procrastinate_jobs"
    until(lambda: (store.value(attempts) or 0) >= 1)
    first, begun = store.value(attempts), time.monotonic()
    until(lambda: store.value(attempts) >= first + 3)
    assert time.monotonic() - begun > 2 * deadlines.POLL
    assert process.poll() is None
    assert store.value("SELECT count(*) FROM procrastinate_jobs") == 5  # more than an agent takes at once
    store.run("DROP TRIGGER refuse ON extractions")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the trap snaps" in told
    _assert_failed(store)


@pytest.mark.ci
@pytest.mark.timeout(600)
def test_what_never_passes_fails_after_a_back_off(source: Database, store: Database) -> None:
    _trap(source, "53200")
    begun = time.monotonic()
    process = begin(*_extract(source, store))
    _, told = process.communicate(timeout=400)
    seconds = time.monotonic() - begun
    assert process.returncode == 1
    assert "Chunk 3 (from " in told
    assert "failed for the 8th time" in told
    assert "the trap snaps" in told
    assert seconds > 20, "no back-off"
    print(f"\ngave up after {seconds:.0f} s")
    _assert_failed(store)
    _assert_resumes(source, store)
