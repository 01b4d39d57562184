"""The client killed in the middle of a build, on PostgreSQL 18 and 15: the rerun leaves nothing behind."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from _pytest.mark import ParameterSet
from psycopg import sql as q

from agent.tuning.index_bench import (
    NAME,
    Client,
    Side,
    Writer,
    alive,
    begin,
    building,
    catalog,
    fill,
    profile,
    remains,
    transaction,
    until,
    waiting,
)
from extraction_agent import embedded
from extraction_agent.store.store import Store
from extraction_agent.tuning.indexes.place import Place
from support import Database, programs

LOCK_TIMEOUT = 2.0  # s, as `Client` gives it
# Row 1000 is another transaction's.
WRITE = "UPDATE item SET name = name WHERE id = (SELECT 1 + (random() * 998)::int)"


def on_debian(*values: object) -> ParameterSet:
    """The reference host's version needs a package of the system."""
    return pytest.param(*values, marks=pytest.mark.ci)


@pytest.fixture(scope="module")
def debian() -> Iterator[embedded.Server]:
    """PostgreSQL 15, as Debian 12 has it."""
    found = programs(15)
    if found is None:
        pytest.skip("no PostgreSQL 15: apt-get install postgresql-15, or tests/install-postgresql.sh 15 DIRECTORY")
    with embedded.folder() as folder, embedded.Server(folder / "debian", {"fsync": "off"}, found) as server:
        yield server


@pytest.fixture
def databases(
    request: pytest.FixtureRequest, make_database: Callable[[str], Database]
) -> Iterator[tuple[Database, Database]]:
    """A source and a store, on a server of the version asked for."""
    if request.param == 18:
        yield make_database("source"), make_database("store")
        return
    server: embedded.Server = request.getfixturevalue("debian")
    made = []
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for name in ("a_source", "a_store"):
            connection.execute(q.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(q.Identifier(name)))
            connection.execute(q.SQL("CREATE DATABASE {} TEMPLATE template0").format(q.Identifier(name)))
            made.append(Database(server.url(name)))
    with Store(made[1].url, check=False) as opened:
        opened.migrate()
    yield made[0], made[1]


@pytest.mark.parametrize(
    ("databases", "snapshot", "checking"),
    [
        (18, True, True),
        (18, False, False),
        on_debian(15, False, True),
        on_debian(15, False, False),
        on_debian(15, True, True),
        on_debian(15, True, False),
    ],
    indirect=["databases"],
)
def test_a_rerun_after_a_kill(databases: tuple[Database, Database], checking: bool, snapshot: bool) -> None:
    source, store = databases
    fill(source)
    before = catalog(source)
    with (
        Store(store.url) as opened,
        Writer(source, WRITE, LOCK_TIMEOUT) as writer,
        Client(store, begin(opened, profile(source)), source, checking) as client,
    ):
        rollout = client.rollout
        # Whether a write of the table is open or a snapshot of another, the build has to wait.
        blocker = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "TABLE other") if snapshot else (
            "UPDATE item SET name = name WHERE id = 1000",
        )  # fmt: skip
        with transaction(source, *blocker) as blocking:
            pid = client.kill_while_it_builds()
            if checking:
                until(lambda: not alive(source, pid), "the backend's end")
                assert remains(source) == [(f"jivs_r{rollout.id}_1", False)], "it stays INVALID"
                rerun = client.begin()
            elif snapshot:
                rerun = client.begin()
                assert alive(source, pid), "the backend has outlived its client"
            else:
                blocking.rollback()
                until(lambda: not alive(source, pid), "the backend's end")
                assert remains(source) == [(f"jivs_r{rollout.id}_1", True)], "it became valid without a client"
                rerun = client.begin()
            if checking and snapshot:  # the rerun has dropped it and builds anew, and is kept waiting like the first
                until(lambda: building(source) not in ([], [(pid,)]), "another build")
            elif checking:  # to drop an index waits for writers, too
                until(lambda: waiting(source), "the wait for the writer")
            until(lambda: writer.writes > 100, "writes")
            blocking.rollback()
        status, told, said = client.end(rerun)
        assert status == 0, said
        assert [(one["name"], one["action"]) for one in told["indexes"]] == [(NAME, "build")]
        assert remains(source) == []
        assert len(catalog(source)) == len(before) + 1
        side = Side(opened, Place.source(source.url), rollout)
        assert not side.apply().changed
        side.abort()
        assert side.undo().changed
    assert catalog(source) == before
    assert writer.locked_out == 0


@pytest.mark.parametrize("databases", [18, on_debian(15)], indirect=True)
def test_an_undo_after_a_kill(databases: tuple[Database, Database]) -> None:
    """Of a backend that still builds for nobody: it is ended, not waited for."""
    source, store = databases
    fill(source)
    before = catalog(source)
    with Store(store.url) as opened, Client(store, begin(opened, profile(source)), source, checking=False) as client:
        client.options = ["--lock-timeout", "600", "--json"]
        with transaction(source, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "TABLE other"):
            pid = client.kill_while_it_builds()
            opened.abort_rollout(client.rollout.id, "its controller was lost")
            assert alive(source, pid)
            client.options = ["--lock-timeout", "2", "--json"]
            status, told, said = client.run("undo")
            assert (status, told["changed"]) == (0, True), said
            assert not alive(source, pid)
        assert catalog(source) == before


@pytest.mark.parametrize("databases", [18], indirect=True)
def test_another_rollout_after_a_kill(databases: tuple[Database, Database]) -> None:
    """The backend that still builds for the aborted one is ended first."""
    source, store = databases
    fill(source)
    with Store(store.url) as opened, Client(store, begin(opened, profile(source)), source, checking=False) as client:
        client.options = ["--lock-timeout", "600", "--json"]
        with transaction(source, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "TABLE other") as blocking:
            pid = client.kill_while_it_builds()
            opened.abort_rollout(client.rollout.id, "its controller was lost")
            client.rollout = begin(opened, profile(source))
            later = client.begin()
            until(lambda: not alive(source, pid), "the backend's end")
            blocking.rollback()
        status, told, said = client.end(later)
    assert status == 0, said
    assert [one["action"] for one in told["indexes"]] == ["drop", "build"]
    assert remains(source) == []


@pytest.mark.parametrize(
    ("databases", "checking"), [(18, False), on_debian(15, True), on_debian(15, False)], indirect=["databases"]
)
def test_the_store_after_a_kill(databases: tuple[Database, Database], checking: bool) -> None:
    _, store = databases
    before = catalog(store)
    with Store(store.url) as opened, Client(store, begin(opened, profile()), None, checking) as client:
        rollout = client.rollout
        write = "LOCK extractions IN ROW EXCLUSIVE MODE"
        with transaction(store, "SELECT pg_current_xact_id()", write) as blocking:
            pid = client.kill_while_it_builds()
            if checking:
                until(lambda: not alive(store, pid), "the backend's end")
            blocking.rollback()
        until(lambda: not alive(store, pid), "the backend's end")
        assert remains(store) == [(f"jivs_r{rollout.id}_1", not checking)]
        status, _, said = client.run()
        assert status == 0, said
        assert remains(store) == []
        assert len(catalog(store)) == len(before) + 1
        side = Side(opened, Place.store(store.url), rollout)
        side.abort()
        assert side.undo().changed
    assert catalog(store) == before


@pytest.mark.parametrize(("databases", "checking"), [(18, True), on_debian(15, False)], indirect=["databases"])
def test_a_kill_while_a_large_table_is_read(databases: tuple[Database, Database], checking: bool) -> None:
    """Nobody is in its way: it is killed in the middle of its own work."""
    source, store = databases
    fill(source, rows=200_000)
    before = catalog(source)
    with (
        Store(store.url) as opened,
        Writer(source, WRITE, LOCK_TIMEOUT) as writer,
        Client(store, begin(opened, profile(source)), source, checking) as client,
    ):
        rollout = client.rollout
        pid = client.kill_while_it_builds()
        until(lambda: not alive(source, pid), "the backend's end")
        left = remains(source)
        assert left == [(f"jivs_r{rollout.id}_1", True)] or (checking and left == [(f"jivs_r{rollout.id}_1", False)])
        until(lambda: writer.writes > 100, "writes")
        status, _, said = client.run()
        assert status == 0, said
        assert remains(source) == []
        side = Side(opened, Place.source(source.url), rollout)
        side.abort()
        assert side.undo().changed
    assert catalog(source) == before
    assert writer.locked_out == 0
