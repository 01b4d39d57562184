"""/api/v1/state: what the page shows of an agent."""

import socket
from datetime import UTC, datetime

import pytest

from agent.api.served import PATIENCE, Served
from agent.api.test_health import becomes
from extraction_agent.observe.recent import Entry
from extraction_agent.protect import guard
from extraction_agent.store.pools import Pool
from support import Database


def test_it_shows_this_agent(served: Served, store: Database) -> None:
    becomes(lambda: served.ask("GET", "/readiness", token=None), 200, PATIENCE)
    served.context.extractions = lambda: {7, 3}
    entry = Entry(datetime(2026, 11, 26, tzinfo=UTC), "warning", "extraction 3 failed: why", 3)
    served.context.recent = lambda: [entry]
    answer = served.ask("GET", "/api/v1/state")
    assert answer.status == 200, answer.text
    state = answer.json()
    assert state["host"] == socket.gethostname()
    assert state["profile"] == "optimized"
    assert state["generation"] is None
    assert (state["tuning"]["state"], state["tuning"]["trial"], state["tuning"]["guards"]) == ("configured", None, [])
    assert state["unready"] == []
    assert state["work"]["extractions"] == [3, 7]
    assert len(state["work"]["records_per_second"]) == 59
    assert {one["name"]: one["maximum"] for one in state["pools"]}["test"] == 50
    assert (state["threads"]["core"], state["threads"]["maximum"]) == (4, 8)
    assert state["threads"]["completed"] >= 1
    assert state["cache"]["enabled"]
    assert not state["cache"]["shared"]
    assert state["log"] == [
        {"at": "2026-11-26T00:00:00Z", "level": "warning", "message": "extraction 3 failed: why", "extraction_id": 3}
    ]
    assert "@" not in answer.text, "no user or password of a URL comes out"
    assert state["store"].startswith("store ")
    assert store.url not in answer.text


def test_a_database_is_shown_with_its_breaker_and_its_guard(served: Served) -> None:
    from extraction_agent import errors
    from extraction_agent.protect.breaker import FAILURES, Breaker

    breaker = Breaker("source db1:5432", errors.SourceUnavailable)
    felt = guard.Stats(
        "source db1:5432", in_flight=1, limit=2, maximum=4, share=0.5, others=True, quiet=False, round_trip=0.01
    )
    served.context.guards = lambda: [felt]

    def shown() -> object:
        databases = served.ask("GET", "/api/v1/state").json()["databases"]
        return next(one for one in databases if one["name"] == "source db1:5432")

    assert shown() == {
        "name": "source db1:5432",
        "breaker": "closed",
        "guard": {
            "in_flight": 1, "limit": 2, "maximum": 4, "share_of_time": 0.5, "others": True, "quiet": False,
            "round_trip_seconds": 0.01,
        },
    }  # fmt: skip
    for _ in range(FAILURES):
        with pytest.raises(errors.SourceUnavailable), breaker:
            raise errors.SourceUnavailable("It does not answer.")
    served.context.guards = list
    assert shown() == {"name": "source db1:5432", "breaker": "open", "guard": None}


def test_it_asks_no_database(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert served.ask("GET", "/api/v1/state").status == 200, "the token is known now"

    def lend(_: Pool) -> None:
        raise ConnectionError

    monkeypatch.setattr(Pool, "store", lend)
    assert served.ask("GET", "/api/v1/configs").status == 500, "whoever asks the store fails"
    assert served.ask("GET", "/api/v1/state").status == 200
