"""Every change leaves an entry in its own transaction, and whatever is done to the entries afterwards shows."""

import contextlib
import json
import threading
from collections.abc import Callable
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql as q
from typer.testing import CliRunner

from extraction_agent import embedded, errors
from extraction_agent.interfaces.cli.main import app
from extraction_agent.model import Definition, Format, Status
from extraction_agent.pipeline.prune import prune
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.audit import Anchor
from extraction_agent.store.retention import forget_config
from extraction_agent.store.store import Store
from support import Database, extract
from tampering import REWRITE, fill, tamper


class _GivenUp(Exception):
    """Rolls a transaction back."""


_URL = "postgresql://reader@db/shop"


def _faults(store: Database, anchor: Anchor | None = None) -> list[str]:
    with Store(store.url) as opened:
        return opened.verify_audit(anchor).faults


def _actions(store: Database) -> list[tuple[str, str, str]]:
    with Store(store.url) as opened:
        return [(entry.action, entry.object, entry.who.split(":")[0]) for entry in reversed(opened.entries(100))][1:]


@pytest.fixture
def items(source: Database) -> Database:
    source.run(
        "CREATE TABLE item AS SELECT n AS id, now() AS at FROM generate_series(1, 500) AS n",
        "ALTER TABLE item ADD PRIMARY KEY (id)",
        "ANALYZE item",
    )
    return source


def test_the_life_of_a_config_and_its_extractions(items: Database, store: Database) -> None:
    watched = Definition(table="item", watermark="at")
    extract(items.url, store, watched)
    extract(items.url, store, watched)  # the config as it is: no entry
    chunked = Definition(table="item", chunk_rows=100, format=Format.TYPED)
    with Store(store.url) as opened:
        config = opened.config("test")
        assert config is not None
        assert opened.reset_watermark(config)
        third = start(opened, open_source(items.url), "test", items.url, None, chunked, Settings()).extraction_id
        with opened.acting("agent:one"):
            assert opened.end(third, Status.FAILED, "the source is gone")
        with opened.acting("token:ops", "request-7"):
            assert opened.reopen(third)
            assert opened.end(third, Status.CANCELLED, None)
        prune(opened, 0, None, 0, dry_run=False)
        forget_config(opened, config.id, "extraction_typed.test")
    assert _actions(store) == [
        ("config.created", "config test", "cli"),
        ("extraction.created", "extraction 1", "cli"),
        ("extraction.succeeded", "extraction 1", "cli"),
        ("extraction.created", "extraction 2", "cli"),
        ("extraction.succeeded", "extraction 2", "cli"),
        ("watermark.reset", "config test", "cli"),
        ("config.replaced", "config test", "cli"),
        ("extraction.created", "extraction 3", "cli"),
        ("extraction.failed", "extraction 3", "agent"),
        ("extraction.resumed", "extraction 3", "token"),
        ("extraction.cancelled", "extraction 3", "token"),
        ("extraction.pruned", "extraction 3", "cli"),
        ("extraction.pruned", "2 extractions", "cli"),
        ("config.deleted", "config test", "cli"),
    ]
    with Store(store.url) as opened:
        [cancelled] = [entry for entry in opened.entries(100) if entry.action == "extraction.cancelled"]
        [replaced] = [entry for entry in opened.entries(100) if entry.action == "config.replaced"]
        [first] = opened.entries(100, object_="store")
    assert (cancelled.who, cancelled.request) == ("token:ops", "request-7")
    assert (cancelled.before, cancelled.after) == ({"status": "running"}, {"status": "cancelled"})
    assert replaced.before is not None
    assert replaced.after is not None
    assert (replaced.before["definition"]["watermark"], replaced.after["definition"]["format"]) == ("at", "typed")
    assert first.id == 1
    assert first.after is not None
    assert "0003 audit" in first.after["applied"]
    assert _faults(store) == []


def test_a_change_that_is_rolled_back_leaves_none(store: Database) -> None:
    with Store(store.url) as opened:
        with contextlib.suppress(_GivenUp), opened.transaction():
            opened.save_config("orders", "postgresql", _URL, None, Definition(table="orders"))
            assert store.value("SELECT count(*) FROM audit_log") == 1
            raise _GivenUp
        assert opened.config("orders") is None
    assert _actions(store) == []
    assert store.value("SELECT count(*) FROM audit_pending") == 0


def test_no_password_is_kept(store: Database) -> None:
    with Store(store.url) as opened:
        opened.audit(
            None, "x", "y", {"url": "postgresql://me:Geheim1@db/shop", "list": ["host=db password=Geheim2 a=1"]}
        )
        opened.audit(None, "x", "y", {"url": "mysql://db/shop?password=Geheim3&x=1", "deep": {"a": "b://c:Geheim4@d"}})
        first, second = reversed(opened.entries(2))
    assert first.before == {"url": "postgresql://me:…@db/shop", "list": ["host=db password=… a=1"]}
    assert second.before == {"url": "mysql://db/shop?password=…&x=1", "deep": {"a": "b://c:…@d"}}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET who = 'nobody'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "DELETE FROM audit_head",
        "TRUNCATE audit_head",
        "SET session_replication_role = replica; DELETE FROM audit_log",
    ],
)
def test_entries_are_only_ever_added(store: Database, statement: LiteralString) -> None:
    fill(store, 2)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only ever added to"):
        store.run(statement)
    assert _faults(store) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", "at + interval '1 microsecond'"),
        ("who", "'cli:testar'"),
        ("action", "'config.replacee'"),
        ("object", "object || ' '"),
        ("request", "''"),
        ("before", "'{\"n\": 3.0}'"),
        ("after", "NULL"),
        ("previous", "set_byte(previous, 31, get_byte(previous, 31) # 1)"),
        ("hash", "set_byte(hash, 0, get_byte(hash, 0) # 128)"),
    ],
)
def test_a_changed_byte_is_found_wherever_it_is(store: Database, column: str, value: LiteralString) -> None:
    fill(store, 9)
    assert _faults(store) == []
    with psycopg.connect(store.url) as connection:
        connection.execute("ALTER TABLE audit_log DISABLE TRIGGER ALL")
        change = q.SQL("UPDATE audit_log SET {} = {} WHERE id = 5").format(q.Identifier(column), q.SQL(value))
        assert connection.execute(change).rowcount == 1
    assert "Entry 5 was altered." in _faults(store)


def test_a_missing_entry_is_named(store: Database) -> None:
    fill(store, 9)
    tamper(store, "DELETE FROM audit_log WHERE id IN (4, 6, 7)")
    assert _faults(store) == ["Entry 4 is missing.", "Entries 6 to 7 are missing."]


def test_the_first_entry_missing(store: Database) -> None:
    fill(store, 2)
    tamper(store, "DELETE FROM audit_log WHERE id = 1")
    assert _faults(store) == ["Entry 1 is missing."]


def test_entries_that_changed_places(store: Database) -> None:
    fill(store, 9)
    tamper(
        store,
        "UPDATE audit_log SET id = -5 WHERE id = 5",
        "UPDATE audit_log SET id = 5 WHERE id = 6",
        "UPDATE audit_log SET id = 6 WHERE id = -5",
    )
    faults = _faults(store)
    assert "Entry 5 was altered." in faults
    assert "Entry 6 was altered." in faults
    assert "Entry 7 does not follow entry 6: one of them was replaced or moved." in faults


def test_a_tail_cut_off(store: Database) -> None:
    fill(store, 9)
    tamper(store, "DELETE FROM audit_log WHERE id > 8")
    assert _faults(store) == ["Entries 9 to 10 are missing at the end."]


def test_a_chain_written_anew_is_found_by_an_anchor_kept_elsewhere(store: Database) -> None:
    """Whoever can do all can make a chain that fits; it is another one."""
    fill(store, 9)
    with Store(store.url) as opened:
        anchor = opened.verify_audit().anchor
    assert anchor.id == 10
    fill(store, 1)
    assert _faults(store, Anchor.parse(str(anchor))) == []
    with psycopg.connect(store.url) as connection:
        connection.execute("ALTER TABLE audit_log DISABLE TRIGGER ALL")
        connection.execute("UPDATE audit_log SET who = 'cli:somebody' WHERE id = 5")
        connection.execute(REWRITE)
    assert _faults(store) == []  # of itself it fits
    [fault] = _faults(store, anchor)
    assert "Entry 10 is not the one the anchor was taken of" in fault


def test_a_tail_cut_off_with_its_record_is_found_by_an_anchor(store: Database) -> None:
    fill(store, 9)
    with Store(store.url) as opened:
        anchor = opened.verify_audit().anchor
    tamper(
        store,
        "DELETE FROM audit_log WHERE id > 8",
        "UPDATE audit_head SET id = 8, hash = (SELECT hash FROM audit_log WHERE id = 8)",
    )
    assert _faults(store) == []
    assert _faults(store, anchor) == ["Entries 9 to 10 are missing: the anchor is of entry 10."]


def test_a_role_that_does_not_own_the_log_can_add_and_no_more(store: Database, server: embedded.Server) -> None:
    """docs/how-to/audit.md"""
    with psycopg.connect(store.url, autocommit=True) as owner:
        for role in ("test_agent", "test_auditor"):
            owner.execute(q.SQL("CREATE ROLE {} LOGIN").format(q.Identifier(role)))
        owner.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO test_agent")
        owner.execute("REVOKE ALL ON audit_log, audit_head FROM test_agent")
        owner.execute("ALTER TABLE audit_log OWNER TO test_auditor")
        owner.execute("ALTER TABLE audit_head OWNER TO test_auditor")
        owner.execute("GRANT SELECT, INSERT ON audit_log TO test_agent")
        owner.execute("GRANT SELECT, UPDATE ON audit_head TO test_agent")
        name = owner.info.dbname
    try:
        with Store(server.url(name, "test_agent")) as opened:
            opened.save_config("orders", "postgresql", _URL, None, Definition(table="orders"))
            assert opened.verify_audit().faults == []
            refused: tuple[LiteralString, ...] = (
                "DELETE FROM audit_log",
                "UPDATE audit_log SET who = ''",
                "TRUNCATE audit_log",
                "ALTER TABLE audit_log DISABLE TRIGGER ALL",
                "DROP TRIGGER audit_refuse ON audit_log",
                "DROP TABLE audit_log",
            )
            for statement in refused:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    opened.connection.execute(statement)
        assert _actions(store) == [("config.created", "config orders", "cli")]
    finally:
        with psycopg.connect(store.url, autocommit=True) as owner:
            for role in ("test_agent", "test_auditor"):
                owner.execute(q.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(q.Identifier(role)))
                owner.execute(q.SQL("DROP OWNED BY {}").format(q.Identifier(role)))
                owner.execute(q.SQL("DROP ROLE {}").format(q.Identifier(role)))


def _threads(number: int, work: Callable[[int], None]) -> None:
    failed: list[BaseException] = []

    def run(index: int) -> None:
        try:
            work(index)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test must see it
            failed.append(error)

    threads = [threading.Thread(target=run, args=[index]) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_fifty_writers_at_once(store: Database) -> None:
    """Some of them roll back, some write two entries, all save one config: no gap, no fork, no deadlock."""

    def write(index: int) -> None:
        with Store(store.url) as opened:
            for round_ in range(10):
                if round_ == 5:
                    with contextlib.suppress(_GivenUp), opened.transaction():
                        opened.audit("cli:tester", "lost", f"config {index}")
                        raise _GivenUp
                with opened.transaction():
                    opened.audit("cli:tester", "before", f"config {index}")
                    opened.save_config(
                        f"of {index % 5}", "postgresql", _URL, f"s{index}-{round_}", Definition(table="t")
                    )

    _threads(50, write)
    with Store(store.url) as opened:
        found = opened.verify_audit()
    assert found.faults == []
    assert found.entries == 1 + 50 * 10 * 2
    assert store.value("SELECT count(*) FROM audit_log WHERE action = 'lost'") == 0
    # Of each config, every entry begins where the one before ended: the chain is in the order of the commits.
    broken = store.value(
        "SELECT count(*) FROM (SELECT before, lag(after) OVER (PARTITION BY object ORDER BY id) AS last FROM audit_log"
        " WHERE action LIKE 'config.%%') AS e WHERE before IS DISTINCT FROM last"
    )
    assert broken == 0


def test_a_long_transaction_keeps_nobody_waiting(store: Database) -> None:
    with Store(store.url) as long, Store(store.url) as short, long.transaction():
        long.audit("cli:tester", "long", "x")
        short.audit("cli:tester", "short", "x")
    assert [action for action, *_ in _actions(store)] == ["short", "long"]


def test_the_commands(store: Database) -> None:
    fill(store, 3)

    def run(*arguments: str) -> dict[str, Any]:
        done = CliRunner().invoke(app, ["audit", *arguments, "--store", store.url, "--json"])
        if done.exception is not None:
            raise done.exception
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    listed = run("list", "--limit", "2")["entries"]
    assert [entry["object"] for entry in listed] == ["config 2", "config 1"]
    assert run("list", "--object", "config 0")["entries"][0]["after"] == {"n": 1}
    verified = run("verify")
    assert (verified["entries"], verified["faults"]) == (4, [])
    assert run("verify", "--anchor", verified["anchor"])["entries"] == 4
    with pytest.raises(errors.UsageError, match="NUMBER:HASH"):
        run("verify", "--anchor", "4")
    tamper(store, "UPDATE audit_log SET who = 'cli:someone' WHERE id = 3")
    with pytest.raises(errors.VerificationFailed, match=r"Entry 3 was altered\."):
        run("verify")
    shown = CliRunner().invoke(app, ["audit", "list", "--store", store.url])
    assert "n: 2 → 3" in shown.stdout
