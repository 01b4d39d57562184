"""Configs through the interface."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from agent.api.served import Served
from extraction_agent.store.store import Store
from support import Database

New = Callable[..., dict[str, Any]]


def test_a_config_is_made_shown_replaced_and_deleted(served: Served, store: Database, new_config: New) -> None:
    body = new_config()
    made = served.ask("POST", "/api/v1/configs", body)
    assert made.status == 201, made.text
    path = made.headers["Location"]
    config = made.json()
    assert path == f"/api/v1/configs/{config['id']}"
    assert config["source_url"] == body["source_url"]
    assert config["definition"]["table"] == "item"
    assert served.ask("GET", path).json() == config

    del body["name"]
    body["definition"] = {"query": "SELECT * FROM item WHERE id < %(most)s", "parameters": {"most": "10"}}
    replaced = served.ask("PUT", path, body)
    assert replaced.status == 200, replaced.text
    assert replaced.json()["definition"]["query"].startswith("SELECT")
    assert served.ask("GET", path).json() == replaced.json()
    assert store.value("SELECT definition ->> 'query' FROM extraction_configs").startswith("SELECT")

    assert served.ask("DELETE", path).status == 204
    for method, sent in (("GET", None), ("DELETE", None), ("PUT", body)):
        gone = served.ask(method, path, sent)
        assert gone.status == 404
        assert "There is no config" in gone.detail
    told = store.rows(
        "SELECT who, action, object, request IS NOT NULL FROM audit_log WHERE action LIKE 'config.%%'", {}
    )
    assert [row[1] for row in told] == ["config.created", "config.replaced", "config.deleted"]
    assert {(row[0], row[2], row[3]) for row in told} == {("token:everything", "config items", True)}


def test_a_name_is_taken_once(served: Served, new_config: New) -> None:
    assert served.ask("POST", "/api/v1/configs", new_config()).status == 201
    second = served.ask("POST", "/api/v1/configs", new_config())
    assert second.status == 409
    assert "replace it, or choose another name" in second.detail


def test_configs_are_listed_by_pages(served: Served, new_config: New) -> None:
    for number in range(5):
        served.ask("POST", "/api/v1/configs", new_config(f"config-{number}"))
    names, after = [], ""
    while True:
        page = served.ask("GET", f"/api/v1/configs?limit=2{after}").json()
        names += [config["name"] for config in page["configs"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert names == [f"config-{number}" for number in range(5)]


def test_a_config_in_use_is_neither_replaced_nor_deleted(served: Served, new_config: New, store: Database) -> None:
    body = new_config()
    path = served.ask("POST", "/api/v1/configs", body).headers["Location"]
    wanted = {"config_id": int(path.rsplit("/", 1)[1])}
    begun = served.ask("POST", "/api/v1/extractions", wanted, headers={"Idempotency-Key": "1"})
    assert begun.status == 201, begun.text
    del body["name"]
    busy = served.ask("PUT", path, body)
    assert busy.status == 409
    assert "is not finished" in busy.detail
    assert served.ask("POST", f"{begun.headers['Location']}/cancel").status == 200
    assert served.ask("PUT", path, body).status == 200
    kept = served.ask("DELETE", path)
    assert kept.status == 409
    assert "has extractions" in kept.detail
    assert store.value("SELECT count(*) FROM extraction_configs") == 1


def test_a_typed_table_goes_with_its_config(served: Served, new_config: New, store: Database) -> None:
    path = served.ask("POST", "/api/v1/configs", new_config(format="typed")).headers["Location"]
    store.run("CREATE TABLE extraction_typed.items (_extraction_id bigint, _chunk_no int)")
    assert served.ask("DELETE", path).status == 204
    assert store.value("SELECT to_regclass('extraction_typed.items') IS NULL")


def test_a_password_that_came_in_by_other_ways_stays_in(served: Served, new_config: New, store: Database) -> None:
    path = served.ask("POST", "/api/v1/configs", new_config()).headers["Location"]
    with psycopg.connect(store.url) as connection:
        connection.execute("UPDATE extraction_configs SET source_url = 'postgresql://u:geheim@h/d'")
    for where in (path, "/api/v1/configs"):
        shown = served.ask("GET", where)
        assert shown.status == 200
        assert "geheim" not in shown.text
        assert "postgresql://u@h/d" in shown.text


@pytest.mark.parametrize(
    ("url", "status", "says"),
    [
        ("postgresql://u:geheim@h/d", 422, "name that as `secret`"),
        ("postgresql://u@h/d?password=geheim", 422, "password among the URL's parameters"),
        ("oracle://u@h/d", 422, "begins with one of"),
        ("file:///etc/passwd", 422, "begins with one of"),
        ("http://169.254.169.254/latest/meta-data", 422, "begins with one of"),
        ("sqlite:///etc/passwd", 403, "sources.schemes"),
        ("postgresql://169.254.169.254/d", 403, "metadata service"),
        ("postgresql://u@0xa9fea9fe:80/d", 403, "metadata service"),
        ("mysql://2852039166/d", 403, "metadata service"),
        ("postgresql://[::ffff:a9fe:a9fe]/d", 403, "metadata service"),
        ("postgresql://[fe80::1]/d", 403, "link-local"),
        ("postgresql://good,169.254.169.254/d", 403, "metadata service"),
        ("postgresql://metadata.google.internal/d", 403, "metadata service"),
        ("postgresql:///d", 422, "not of the form"),
        ("postgresql://%2Fvar%2Frun/d", 422, "not of the form"),
        ("postgresql://h/d?host=/var/run/postgresql", 422, "not of the form"),
        ("postgresql://h/d?passfile=x", 403, "may name a file"),
        ("mysql://h/d?socket=mysqld.sock", 403, "may name a file"),
        ("host=h password=geheim", 422, "no scheme at all"),
        ("", 422, "no scheme at all"),
        ("'; DROP TABLE extraction_configs; --", 422, "no scheme at all"),
    ],
)
def test_a_source_that_is_not_allowed_is_refused(
    served: Served, new_config: New, store: Database, lines: list[str], url: str, status: int, says: str
) -> None:
    refused = served.ask("POST", "/api/v1/configs", {**new_config(), "source_url": url})
    assert refused.status == status, refused.text
    assert says in refused.detail
    assert "geheim" not in refused.text
    assert not [line for line in lines if "geheim" in line]
    assert store.value("SELECT count(*) FROM extraction_configs") == 0


def test_hosts_are_those_of_the_configuration(store: Database, new_config: New) -> None:
    with Served(store.url, sources={"hosts": ["*.example.com", "db1"], "schemes": ["mysql"]}) as served:
        for url, status in {
            "mysql://u@db1/shop": 201,
            "mysql://u@a.example.com:3307/shop": 201,
            "mysql://u@example.com.evil.net/shop": 403,
            "mysql://u@10.0.0.1/shop": 403,
            "postgresql://u@db1/shop": 403,
        }.items():
            name = str(abs(hash(url)))
            answer = served.ask("POST", "/api/v1/configs", {**new_config(name), "source_url": url})
            assert answer.status == status, answer.text


def test_the_agents_own_secrets_open_no_source(served: Served, new_config: New) -> None:
    refused = served.ask("POST", "/api/v1/configs", {**new_config(), "secret": "own"})
    assert refused.status == 403
    assert "the agent's own" in refused.detail


def test_a_config_that_changes_while_it_is_planned_begins_nothing(store: Database, items: Database) -> None:
    """What start_saved asks for: the definition that was planned is the one that is kept."""
    from extraction_agent import errors
    from extraction_agent.model import Definition
    from extraction_agent.pipeline.start import start_saved
    from extraction_agent.profiles import Settings
    from extraction_agent.sources import open_source

    with Store(store.url) as opened:
        planned = opened.create_config("items", "postgresql", items.url, None, Definition(table="item"))
        opened.save_config("items", "postgresql", items.url, None, Definition(table="other"))
        with pytest.raises(errors.Conflict, match="another definition"):
            start_saved(opened, open_source(items.url), planned, Settings())
    assert store.value("SELECT count(*) FROM extractions") == 0
