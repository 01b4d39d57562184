"""`extractctl indexes` as people and modules call it, and the indexes it suggests."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.tuning.index_bench import NAME, begin, catalog, profile
from extraction_agent.interfaces.cli.main import app
from extraction_agent.model import Definition
from extraction_agent.store.store import Store
from support import Database


def _run(*arguments: str, store: Database) -> Any:
    done = CliRunner().invoke(app, ["indexes", *arguments, "--store", store.url, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_from_apply_to_undo(filled: Database, store: Database) -> None:
    before = catalog(filled)
    with Store(store.url) as opened:
        begun = begin(opened, profile(filled))
        rollout = ["--rollout", str(begun.id), "--source", filled.url]
        apply = ["apply", *rollout, "--token", str(begun.token), "--who", "alice"]
        planned = _run(*apply, "--dry-run", store=store)
        assert (planned["changed"], [one["action"] for one in planned["indexes"]]) == (True, ["build"])
        assert catalog(filled) == before
        assert _run(*apply, store=store) == planned
        assert not _run(*apply, store=store)["changed"]
        [listed] = _run("list", *rollout, store=store)["indexes"]
        assert (listed["name"], listed["state"], listed["ours"], listed["there"]) == (NAME, "renamed", True, "valid")
        opened.abort_rollout(begun.id, "enough")
        assert _run("undo", *rollout, store=store)["changed"]
        [listed] = _run("list", *rollout, store=store)["indexes"]
        assert (listed["state"], listed["there"]) == ("dropped", "absent")
        assert {entry.who for entry in opened.entries(9, object_=f"index {NAME}")} == {"cli:alice"} | {
            entry.who for entry in opened.entries(1, object_=f"index {NAME}")
        }
    assert catalog(filled) == before


def test_for_people(filled: Database, store: Database) -> None:
    with Store(store.url) as opened:
        begun = begin(opened, profile(filled))
    where = ["--rollout", str(begun.id), "--store", store.url]
    apply = CliRunner().invoke(app, ["indexes", "apply", *where, "--token", str(begun.token)])
    assert "idx_extraction_status_created" in apply.stdout
    assert "built" in apply.stdout
    listed = CliRunner().invoke(app, ["indexes", "list", "--store", store.url])
    assert "running" in listed.stdout
    assert "valid" in listed.stdout


def _save(store: Database, source: Database, name: str, **definition: Any) -> None:
    with Store(store.url) as opened:
        opened.save_config(name, "postgresql", source.url, None, Definition(**definition))


@pytest.fixture
def large(source: Database) -> Database:
    """Tables that are worth an index, one that is too small for one, and one whose every query has its own."""
    source.run(
        "CREATE TABLE item AS SELECT n AS id, now() AS at, repeat('x', 100) AS text "
        "FROM generate_series(1, 80000) AS n",
        "CREATE TABLE served AS TABLE item",
        "CREATE INDEX ON served (at, id)",
        "CREATE INDEX ON served (id)",
        "CREATE TABLE small (id int, at timestamptz)",
        "CREATE TABLE parted (id int, at timestamptz, text text) PARTITION BY RANGE (id)",
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100000)",
        "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (100000) TO (200000)",
        "INSERT INTO parted SELECT * FROM item",
        "ANALYZE",
    )
    return source


def test_full_scans_are_found_and_answered(large: Database, store: Database) -> None:
    _save(store, large, "items", table="item", watermark="at")
    _save(store, large, "again", table="public.item", watermark="at", key=("id",))
    _save(store, large, "served", table="served", watermark="at", key=("id",))
    _save(store, large, "small", table="small", watermark="at")
    _save(store, large, "parted", table="parted", watermark="at")
    _save(store, large, "whole", table="item")
    _save(store, large, "blocks", table="item", key=("ctid",))
    _save(store, large, "unmarked", table="item", watermark="xmin")
    _save(store, large, "queried", query="SELECT 1 AS x")
    _save(store, large, "gone", table="gone", watermark="at")
    _save(store, Database(large.url.replace("source", "sauce")), "elsewhere", table="item", watermark="at")
    found = _run("suggest", "--source", large.url, store=store)
    assert {(one["table"], tuple(one["columns"]), one["name"]) for one in found["suggestions"]} == {
        ("public.item", ("at",), "idx_item_at"),
        ("public.item", ("id",), "idx_item_id"),
        ("public.parted_1", ("at",), "idx_parted_1_at"),
    }
    [first, *_] = [one for one in found["suggestions"] if one["name"] == "idx_item_at"]
    assert first["statement"] == "CREATE INDEX CONCURRENTLY idx_item_at ON public.item USING btree (at)"
    assert "each incremental run looks for new rows by at" in first["reason"]
    assert 70_000 < first["rows"] < 90_000
    assert found["notes"] == [note for note in found["notes"] if note.startswith("Config gone could not be looked at")]
    assert len(found["notes"]) == 1
    large.run("CREATE INDEX idx_item_at ON item (at)", "CREATE INDEX ON parted (at)", "CREATE INDEX ON item (id)")
    assert _run("suggest", "--source", large.url, store=store)["suggestions"] == []


def test_a_suggestion_can_be_applied(large: Database, store: Database) -> None:
    _save(store, large, "items", table="item", watermark="at")
    [one] = _run("suggest", "--source", large.url, store=store)["suggestions"]
    with Store(store.url) as opened:
        begun = begin(opened, profile(large, table=one["table"], columns=one["columns"]))
        where = ["--rollout", str(begun.id), "--token", str(begun.token), "--source", large.url]
        assert _run("apply", *where, store=store)["changed"]
    assert _run("suggest", "--source", large.url, store=store)["suggestions"] == []


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["apply", "--rollout", "7", "--token", "1"], 2, "There is no rollout 7"),
        (["undo", "--rollout", "7"], 2, "There is no rollout 7"),
        (["undo", "--source", "sqlite:///shop.db"], 2, "at PostgreSQL only, and this source is sqlite"),
        (["suggest", "--source", "mysql://root@127.0.0.1/shop"], 2, "at PostgreSQL only, and this source is mysql"),
        (["list", "--secret", "shop"], 2, "--secret is the password of a --source"),
        (["undo", "--source", "postgresql://postgres@127.0.0.1:1/shop"], 1, "Connection refused"),
    ],
)
def test_what_is_asked_wrongly(store: Database, arguments: list[str], status: int, told: str) -> None:
    done = CliRunner().invoke(app, ["indexes", *arguments, "--store", store.url])
    assert done.exception is not None
    assert getattr(done.exception, "exit_status", None) == status
    assert told in str(done.exception)
