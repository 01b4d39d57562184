"""Who may come in: tokens, scopes, rates."""

import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent.api.served import PATIENCE, Served
from agent.faults.harness import run
from extraction_agent.interfaces.api.application import OPERATIONS
from extraction_agent.store import tokens
from extraction_agent.store.store import Store
from extraction_agent.store.tokens import Scope
from support import Database


def test_every_operation_asks_for_a_token_of_its_scope(served: Served) -> None:
    lacking = {scope: served.make_token(f"not-{scope}", frozenset(Scope) - {scope}) for scope in Scope}
    guarded = [one for one in OPERATIONS.listed if one.scope is not None]
    assert len(guarded) > 10
    wrong = (None, "nonsense", tokens.mint(), served.token[:-1] + "x", served.token + "x")
    for one, token in itertools.product(guarded, wrong):
        refused = served.ask(one.method, one.path.replace("{", "").replace("}", ""), token=token)
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
        assert "extractctl token" in refused.detail
    for one in guarded:
        assert one.scope is not None
        refused = served.ask(one.method, one.path.replace("{", "").replace("}", ""), token=lacking[one.scope])
        assert refused.status == 403
        assert f"needs a token of the scope {one.scope}" in refused.detail
        assert f'scope="{one.scope}"' in refused.headers["WWW-Authenticate"]


def test_all_but_what_a_monitor_needs_is_guarded() -> None:
    opened = {one.path for one in OPERATIONS.listed if one.scope is None}
    assert opened == {"/liveness", "/readiness", "/metrics", "/openapi.json"}


def test_a_token_is_made_listed_used_and_revoked(served: Served, store: Database) -> None:
    made = run("token", "create", "ci", "--scope", "read", "--scope", "operate", "--store", store.url, "--json")
    assert made.returncode == 0, made.stderr
    token = json.loads(made.stdout)["token"]
    assert served.ask("GET", "/api/v1/configs", token=token).status == 200
    again = run("token", "create", "ci", "--scope", "read", "--store", store.url)
    assert again.returncode == 1
    assert "There is a valid token ci" in again.stderr

    listed = run("token", "list", "--store", store.url, "--json")
    assert {one["name"]: one["scopes"] for one in json.loads(listed.stdout)["tokens"]} == {
        "everything": ["operate", "read", "tune"],
        "ci": ["operate", "read"],
    }
    assert token not in listed.stdout
    kept = store.rows("SELECT api_tokens::text FROM api_tokens") + store.rows("SELECT audit_log::text FROM audit_log")
    assert not [row for row in kept if token.rsplit("_", 1)[1] in row[0]]

    assert run("token", "revoke", "ci", "--store", store.url).returncode == 0
    refused_within_seconds(served, token)
    gone = run("token", "revoke", "ci", "--store", store.url)
    assert gone.returncode == 2
    assert "There is no valid token ci" in gone.stderr
    assert run("token", "create", "ci", "--scope", "read", "--store", store.url).returncode == 0
    told = store.rows("SELECT action FROM audit_log WHERE object = 'token ci' ORDER BY id")
    assert [row[0] for row in told] == ["token.created", "token.revoked", "token.created"]


def test_a_token_expires(served: Served) -> None:
    token = served.make_token("brief", frozenset({Scope.READ}), seconds=1.5)
    assert served.ask("GET", "/api/v1/configs", token=token).status == 200
    refused_within_seconds(served, token)
    assert served.make_token("brief", frozenset({Scope.READ})) != token


def refused_within_seconds(served: Served, token: str) -> None:
    deadline = time.monotonic() + 6
    while served.ask("GET", "/api/v1/configs", token=token).status != 401:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_flood_of_unknown_tokens_costs_the_store_nothing(served: Served) -> None:
    assert served.ask("GET", "/api/v1/configs").status == 200
    begun, before = time.monotonic(), served.threads.stats().started
    with ThreadPoolExecutor(10) as clients:
        asked = [clients.submit(served.ask, "GET", "/api/v1/configs", None, tokens.mint()) for _ in range(200)]
        assert {one.result().status for one in asked} == {401}
    readings = served.threads.stats().started - before
    assert 0 < readings <= (time.monotonic() - begun) / 0.25 + 1


def test_a_token_has_its_rate(store: Database) -> None:
    with Served(store.url, api={"rate_per_second": 2, "burst": 5}) as served:
        asked = [served.ask("GET", "/api/v1/configs") for _ in range(12)]
        assert [one.status for one in asked[:5]] == [200] * 5
        late = asked[-1]
        assert late.status == 429
        assert "2 requests a second" in late.detail
        other = served.make_token("other", frozenset({Scope.READ}))
        assert served.ask("GET", "/api/v1/configs", token=other).status == 200, "one token's rate is another's"
        assert served.ask("GET", "/liveness", token=None).status == 200
        time.sleep(int(late.headers["Retry-After"]))
        assert served.ask("GET", "/api/v1/configs").status == 200


def test_while_the_store_is_away_a_token_that_was_checked_lately_serves_on(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from extraction_agent import errors
    from extraction_agent.interfaces.api.access import Directory

    with Served(store.url) as served:
        assert served.ask("GET", "/api/v1/tuning").status == 200

        def away(_: Directory) -> None:
            raise errors.StoreUnavailable("the store is away.")

        monkeypatch.setattr(Directory, "_fetch", away)
        time.sleep(1.5)
        assert served.ask("GET", "/api/v1/tuning").status == 200
        deadline = time.monotonic() + PATIENCE
        while (answer := served.ask("GET", "/api/v1/tuning")).status == 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert answer.status == 503, answer.text
        assert answer.headers["Retry-After"]
        monkeypatch.undo()
        assert served.ask("GET", "/api/v1/tuning").status == 200


def test_a_token_of_the_store_is_compared_whole(store: Database) -> None:
    text = tokens.mint()
    with Store(store.url) as opened:
        made = opened.create_token(text, "x", frozenset({Scope.READ}), None)
    assert made.is_of(text)
    assert tokens.id_of(text) == made.id
    assert not made.is_of(text[:-1])
    assert not made.is_of(text.upper())
