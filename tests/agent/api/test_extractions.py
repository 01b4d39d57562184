"""Extractions through the interface: begun once, worked off, listed, given up, taken up again; and their records."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from agent.api.served import PATIENCE, Served, begin, ended
from extraction_agent import deadlines
from extraction_agent.store import tokens
from extraction_agent.store.store import Store
from support import Database

New = Callable[..., dict[str, Any]]


@pytest.fixture
def working(store: Database) -> Iterator[Served]:
    """The interface with an agent beside it."""
    with Served(store.url, works=True) as running:
        yield running


def config_of(served: Served, body: dict[str, Any]) -> int:
    made = served.ask("POST", "/api/v1/configs", body)
    assert made.status == 201, made.text
    return int(made.json()["id"])


def pages(served: Served, path: str, limit: int) -> Iterator[list[Any]]:
    """The records, page by page."""
    after = ""
    while True:
        page = served.ask("GET", f"{path}/records?limit={limit}{after}")
        assert page.status == 200, page.text
        yield page.json()["records"]
        if page.json()["next"] is None:
            return
        after = f"&after={page.json()['next']}"


@pytest.mark.parametrize("format_", ["json", "typed"])
@pytest.mark.parametrize("chunk_rows", [700, 100_000], ids=["part", "common table"])
def test_from_config_to_records(working: Served, new_config: New, format_: str, chunk_rows: int) -> None:
    for other in ("before", "after"):  # whose records lie in the same table
        number = config_of(working, new_config(other, format=format_))
        assert ended(working, begin(working, number, other).headers["Location"])["status"] == "succeeded"
        if other == "before":
            body = new_config("items", format=format_, chunk_rows=chunk_rows)
            path = begin(working, config_of(working, body)).headers["Location"]
            done = ended(working, path)
            assert (done["status"], done["rows"], done["error"]) == ("succeeded", 5000, None)
            assert (done["chunks"] > 1) == (chunk_rows == 700)
    read = list(pages(working, path, 999))
    assert [len(page) for page in read] == [999, 999, 999, 999, 999, 5]
    records = [record for page in read for record in page]
    assert sorted(record["id"] for record in records) == list(range(1, 5001))
    assert records[0].keys() == {"id", "name", "share"}
    assert records[6]["name"] == f"name of {records[6]['id']}"


def test_records_go_out_as_they_came_in(working: Served, source: Database, new_config: New) -> None:
    """Numbers that a float would change, and every character."""
    source.run(
        "CREATE TABLE exact (id int PRIMARY KEY, number numeric, text text)",
        "INSERT INTO exact VALUES (1, 12345678901234567890.000000000000000001, E'a\"\\\\ \\n中😀')",
    )
    body = {**new_config("exact"), "source_url": source.url, "definition": {"table": "exact"}}
    path = begin(working, config_of(working, body)).headers["Location"]
    assert ended(working, path)["status"] == "succeeded"
    text = working.ask("GET", f"{path}/records").text
    assert "12345678901234567890.000000000000000001" in text
    assert json.loads(text)["records"][0]["text"] == 'a"\\ \n中😀'


def test_a_page_of_large_records_ends_early(working: Served, source: Database, new_config: New) -> None:
    source.run(
        "CREATE TABLE wide AS SELECT n AS id, repeat('x', 3000000) AS body FROM generate_series(1, 7) AS n",
        "ALTER TABLE wide ADD PRIMARY KEY (id)",
    )
    body = {**new_config("wide"), "definition": {"table": "wide"}}
    path = begin(working, config_of(working, body)).headers["Location"]
    assert ended(working, path)["status"] == "succeeded"
    read = list(pages(working, path, 100))
    assert [len(page) for page in read] == [3, 3, 1]
    assert sorted(record["id"] for page in read for record in page) == list(range(1, 8))


def test_a_small_extraction_far_in_a_large_table_is_found(
    working: Served, new_config: New, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With empty pages in between: no request reads the whole table."""
    from extraction_agent.store import records

    store.run(
        "INSERT INTO extraction_data (extraction_id, data) SELECT 999, to_json(n) FROM generate_series(1, 60000) AS n"
    )
    path = begin(working, config_of(working, new_config())).headers["Location"]
    assert ended(working, path)["chunks"] == 1
    monkeypatch.setattr(records, "_MOST_BLOCKS", 100)
    read = list(pages(working, path, 1000))
    assert read[0] == []
    assert sorted(record["id"] for page in read for record in page) == list(range(1, 5001))


def test_only_what_has_succeeded_is_read(served: Served, new_config: New) -> None:
    path = begin(served, config_of(served, new_config())).headers["Location"]
    early = served.ask("GET", f"{path}/records")
    assert early.status == 409
    assert "can be read once it has succeeded" in early.detail


def test_a_key_begins_one_extraction(served: Served, new_config: New, store: Database) -> None:
    first, other = (config_of(served, new_config(name)) for name in ("one", "two"))
    begun = begin(served, first)
    assert begun.status == 201, begun.text
    again = begin(served, first)
    assert (again.status, again.headers["Location"]) == (201, begun.headers["Location"])
    misused = begin(served, other)
    assert misused.status == 422
    assert "belongs to another request" in misused.detail
    second = begin(served, first, "key-2")
    assert second.status == 409
    assert "is not finished" in second.detail
    assert store.value("SELECT count(*) FROM extractions") == 1


def test_a_key_is_its_tokens_own(served: Served, new_config: New) -> None:
    first, other = (config_of(served, new_config(name)) for name in ("one", "two"))
    assert begin(served, first).status == 201
    another = served.make_token("another", frozenset({tokens.Scope.OPERATE}))
    begun = begin(served, other, token=another)
    assert begun.status == 201, begun.text


@pytest.fixture
def slow(items: Database, new_config: New) -> dict[str, Any]:
    """A config that takes half a second to plan."""
    items.run(
        "CREATE FUNCTION slowly() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1 FROM pg_sleep(0.5)'",
        "CREATE VIEW slow AS SELECT id FROM item WHERE id < slowly() + 10",
    )
    return {**new_config("slow"), "definition": {"table": "slow"}}


def test_the_same_request_twelve_times_at_once_begins_one(
    served: Served, slow: dict[str, Any], store: Database, items: Database
) -> None:
    number = config_of(served, slow)
    with psycopg.connect(items.url) as locked:
        locked.execute("LOCK TABLE item")  # so that planning waits
        with ThreadPoolExecutor(12) as clients:
            asked = [clients.submit(begin, served, number) for _ in range(12)]
            until(lambda: len(served.context.starting) == 1)
            time.sleep(0.2)
            assert not any(one.done() for one in asked), "planning did not wait"
            locked.rollback()
            answers = [one.result() for one in asked]
    assert {answer.status for answer in answers} == {201}
    assert {answer.headers["Location"] for answer in answers} == {"/api/v1/extractions/1"}
    assert store.value("SELECT count(*) FROM extractions") == 1
    assert served.context.starting == {}


def test_two_agents_asked_at_once_begin_one(store: Database, new_config: New, items: Database) -> None:
    """The key is recorded with the extraction: whoever comes second finds it."""
    with Served(store.url) as one:
        number = config_of(one, new_config())
        token = one.token
        with Store(store.url) as opened:
            opened.revoke_token("everything")
        with Served(store.url) as two, psycopg.connect(items.url) as locked:
            locked.execute("LOCK TABLE item")
            token = two.token
            with ThreadPoolExecutor(2) as clients:
                asked = [clients.submit(begin, served, number, "k", token) for served in (one, two)]
                until(lambda: planned_at_once(items) == 2)  # so neither has found what the other begins
                locked.rollback()
                answers = [future.result() for future in asked]
            retried = [begin(served, number, "k", token) for served in (one, two)]
    [path] = {answer.headers.get("Location", answer.text) for answer in answers}  # the other's number is lost
    assert {(answer.status, answer.headers["Location"]) for answer in [*answers, *retried]} == {(201, path)}
    assert store.value("SELECT count(*) FROM extractions") == 1


def planned_at_once(source: Database) -> int:
    """How many wait for a table that is locked."""
    return int(
        source.value(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )


def test_planning_holds_no_connection_to_the_store(served: Served, new_config: New, items: Database) -> None:
    number = config_of(served, new_config())
    with psycopg.connect(items.url) as locked, ThreadPoolExecutor(1) as client:
        locked.execute("LOCK TABLE item")
        asked = client.submit(begin, served, number)
        until(lambda: planned_at_once(items) == 1)
        until(lambda: served.pool.stats().active == 0)
        locked.rollback()
        assert asked.result().status == 201


def test_sources_that_stall_leave_threads_for_the_rest(
    served: Served, new_config: New, items: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the four threads, two may plan; a third waits its turn, and is asked to come again when none comes."""
    numbers = [config_of(served, new_config(f"config-{number}")) for number in range(6)]
    assert begin(served, numbers[5], "begun").status == 201
    with psycopg.connect(items.url) as locked, ThreadPoolExecutor(6) as clients:
        locked.execute("LOCK TABLE item")
        asked = [clients.submit(begin, served, number, f"key-{number}") for number in numbers[:4]]
        until(lambda: planned_at_once(items) == 2)
        until(lambda: len(served.context.plans._free._waiters or ()) == 2)  # for a turn, as long as it is now
        until(lambda: served.threads.stats().active == 2)
        assert len(served.context.starting) == 4
        monkeypatch.setattr(deadlines, "TURN", 0.05)
        refused = begin(served, numbers[4], "another")
        assert (refused.status, refused.headers.get("Retry-After")) == (429, "1"), refused.text
        assert "2 extractions being planned are under way already" in refused.detail
        assert begin(served, numbers[5], "begun").status == 201, "what is begun already needs no turn"
        assert served.ask("GET", "/api/v1/configs").status == 200
        locked.rollback()
        assert {one.result().status for one in asked} == {201}
    assert begin(served, numbers[4], "another").status == 201


def test_a_client_that_leaves_while_it_is_planned_finds_it_again(
    served: Served, new_config: New, items: Database, store: Database
) -> None:
    number = config_of(served, new_config())
    with psycopg.connect(items.url) as locked:
        locked.execute("LOCK TABLE item")
        client = http.client.HTTPConnection("127.0.0.1", served.port)
        headers = {
            "Authorization": f"Bearer {served.token}",
            "Idempotency-Key": "k",
            "Content-Type": "application/json",
        }
        client.request("POST", "/api/v1/extractions", json.dumps({"config_id": number}), headers)
        until(lambda: len(served.context.starting) == 1)
        client.close()
        time.sleep(0.2)
        assert len(served.context.starting) == 1, "it was given up with its client"
        locked.rollback()
    until(lambda: store.value("SELECT count(*) FROM extractions") == 1)
    found = begin(served, number, "k")
    assert (found.status, found.headers["Location"]) == (201, "/api/v1/extractions/1")
    until(lambda: served.pool.stats().active == 0)  # the answer is out before its thread has given the connection back


def test_extractions_are_listed_newest_first(served: Served, new_config: New) -> None:
    numbers = [config_of(served, new_config(f"config-{number}")) for number in range(5)]
    for number in numbers:
        assert begin(served, number, f"key-{number}").status == 201
    first = served.ask("GET", "/api/v1/extractions?limit=3").json()
    assert [one["config"] for one in first["extractions"]] == ["config-4", "config-3", "config-2"]
    rest = served.ask("GET", f"/api/v1/extractions?limit=3&after={first['next']}").json()
    assert [one["config"] for one in rest["extractions"]] == ["config-1", "config-0"]
    assert rest["next"] is None
    only = served.ask("GET", f"/api/v1/extractions?config_id={numbers[1]}").json()
    assert [one["config"] for one in only["extractions"]] == ["config-1"]


def test_cancel_and_resume(served: Served, new_config: New, store: Database) -> None:
    path = begin(served, config_of(served, new_config())).headers["Location"]
    store.run("UPDATE extractions SET status = 'failed', error = 'x'")
    resumed = served.ask("POST", f"{path}/resume")
    assert (resumed.status, resumed.json()["status"]) == (200, "running")
    cancelled = served.ask("POST", f"{path}/cancel")
    assert (cancelled.status, cancelled.json()["status"]) == (200, "cancelled")
    for action, says in (("cancel", "there is nothing to cancel"), ("resume", "there is nothing to resume")):
        late = served.ask("POST", f"{path}/{action}")
        assert late.status == 409
        assert says in late.detail
        unknown = served.ask("POST", f"/api/v1/extractions/77/{action}")
        assert unknown.status == 404
        assert "There is no extraction 77" in unknown.detail
    told = served.ask("GET", "/api/v1/audit?object=extraction%201").json()["entries"]
    assert [one["action"] for one in told] == ["extraction.cancelled", "extraction.resumed", "extraction.created"]
    assert {one["who"] for one in told} == {"token:everything"}


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"definition": {"table": "nowhere"}}, 409, "nowhere"),
        ({"source_url": "postgresql://nobody@127.0.0.1:1/none"}, 424, "check that the server runs"),
        ({"secret": "not-here"}, 409, "The secret not-here is not here"),
        ({"definition": {"query": "SELECT 1; DROP TABLE item"}}, 409, "multiple commands"),
        ({"definition": {"table": "item'; DROP TABLE item; --"}}, 409, "DROP TABLE item"),
    ],
)
def test_a_source_that_cannot_be_read_is_told(
    served: Served, new_config: New, items: Database, changes: dict[str, Any], status: int, says: str
) -> None:
    refused = begin(served, config_of(served, {**new_config(), **changes}))
    assert refused.status == status, refused.text
    assert says in refused.detail
    assert (refused.headers.get("Retry-After") is not None) == (status == 424)
    assert items.value("SELECT count(*) FROM item") == 5000


def test_a_host_whose_name_leads_to_a_metadata_service_is_refused_before_it_is_asked(
    served: Served, new_config: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        return real("169.254.169.254" if host == "innocent.example.com" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)  # the resolver of somebody else's zone
    number = config_of(served, {**new_config(), "source_url": "postgresql://u@innocent.example.com/d"})
    refused = begin(served, number)
    assert refused.status == 403
    assert "innocent.example.com leads to 169.254.169.254" in refused.detail


def test_when_all_threads_have_work_the_client_is_asked_to_come_again(served: Served, new_config: New) -> None:
    number = config_of(served, new_config())
    gate = threading.Event()
    try:
        blocked = [served.threads.submit(gate.wait) for _ in range(8 + 50)]
        busy = begin(served, number)
        assert busy.status == 429, busy.text
        assert int(busy.headers["Retry-After"]) >= 1
        assert "threads have work" in busy.detail
        for path in ("/liveness", "/metrics"):
            assert served.ask("GET", path, token=None).status == 200
        until(lambda: served.ask("GET", "/readiness", token=None).status == 200)  # the first pulse may be to come
    finally:
        gate.set()
    assert all(one.result() for one in blocked)
    assert begin(served, number).status == 201


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
