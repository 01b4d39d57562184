"""/liveness, /readiness and /metrics."""

import time
from collections.abc import Callable

import pytest

from agent.api.served import PATIENCE, Response, Served
from extraction_agent import embedded
from extraction_agent.store.store import Store
from support import Database


def becomes(ask: Callable[[], Response], status: int, within: float) -> Response:
    """Whatever is asked later than `within` is answered so, however long the answer takes."""
    deadline = time.monotonic() + within
    asked = time.monotonic()
    while (answer := ask()).status != status:
        assert asked < deadline, f"{answer.status}: {answer.text}"
        time.sleep(0.02)
        asked = time.monotonic()
    return answer


def test_readiness_tells_the_truth_about_the_store_within_2_s(tmp_path: object) -> None:
    del tmp_path
    with embedded.folder() as folder, embedded.Server(folder / "own") as server:
        with Store(server.url(), check=False) as opened:
            opened.migrate()
        with Served(server.url()) as served:

            def ask() -> Response:
                return served.ask("GET", "/readiness", token=None)

            becomes(ask, 200, PATIENCE)
            server.stop("immediate")
            told = becomes(ask, 503, 2)
            assert "the store is away" in told.detail
            assert served.ask("GET", "/liveness", token=None).status == 200
            server.start()
            becomes(ask, 200, 2)
            becomes(lambda: served.ask("GET", "/api/v1/configs"), 200, PATIENCE)


def test_readiness_and_liveness_tell_what_others_know(served: Served) -> None:
    becomes(lambda: served.ask("GET", "/readiness", token=None), 200, PATIENCE)
    served.context.unready = lambda: ["it is being drained"]
    served.context.late = lambda: ["the worker has not moved for 60 s"]
    assert "it is being drained" in served.ask("GET", "/readiness", token=None).detail
    assert "the worker has not moved" in served.ask("GET", "/liveness", token=None).detail


def test_liveness_tells_of_a_loop_that_stood_still(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from extraction_agent import deadlines

    monkeypatch.setattr(deadlines, "STUCK", 0.9)
    assert served.ask("GET", "/liveness", token=None).status == 200
    served.loop.call_soon_threadsafe(time.sleep, 1.5)
    time.sleep(0.1)
    told = served.ask("GET", "/liveness", token=None)
    assert told.status == 503
    assert "the loop stood still" in told.detail
    becomes(lambda: served.ask("GET", "/liveness", token=None), 200, 5)


def test_metrics_are_told_by_template(served: Served, store: Database) -> None:
    del store
    served.ask("GET", "/api/v1/configs/1234567")
    served.ask("GET", "/nowhere/1234567")
    served.ask("BREW", "/api/v1/configs")
    answer = served.ask("GET", "/metrics", token=None)
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    text = answer.text
    found = [line for line in text.splitlines() if line.startswith("http_request_duration_seconds_count")]
    assert [line for line in found if 'route="/api/v1/configs/{config_id}"' in line and 'status="404"' in line]
    assert [line for line in found if 'route="unmatched"' in line]
    assert "1234567" not in text
    assert "BREW" not in text
    assert 'le="0.2"' in text
    preferred = served.ask("GET", "/metrics", token=None, headers={"Accept": "application/openmetrics-text"})
    assert preferred.headers["Content-Type"].startswith("application/openmetrics-text")
    assert preferred.text.endswith("# EOF\n")
