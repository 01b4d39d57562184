"""An agent's answers over a real connection, and what becomes of those that are none."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from ansible_collections.jivs.extraction.plugins.module_utils.agent_api import Agent, AgentError, token_of


class Handler(BaseHTTPRequestHandler):
    """Says what was asked; refuses going back."""

    def do_GET(self) -> None:
        self._say(200, {"asked": self.path, "by": self.headers["Authorization"]})

    def do_PUT(self) -> None:
        self._say(200, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))  # or the connection may be reset before the answer is read
        self._say(409, {"detail": "Token 3 is lower than 7, which this host has seen."})

    def log_message(self, *_: Any) -> None:
        pass

    def _say(self, status: int, body: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_is_asked_with_the_token(url: str) -> None:
    assert Agent(url + "/", "secret").tuning() == {"asked": "/api/v1/tuning", "by": "Bearer secret"}
    said = Agent(url, "secret").try_(7, 3, {"name": "fast"}, 60)
    assert said == {"rollout": 7, "token": 3, "profile": {"name": "fast"}, "trial_seconds": 60}


def test_a_refusal_is_what_the_agent_said(url: str) -> None:
    with pytest.raises(AgentError, match=r"refuses POST /api/v1/tuning/back: Token 3 is lower than 7") as refused:
        Agent(url).back(7, 3)
    assert refused.value.status == 409


def test_a_silent_host_is_waited_for_no_longer_than_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connected to, and never answered
        agent = Agent(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(AgentError, match="does not answer: timed out"):
            agent.metrics(0.05)


def test_nobody_there() -> None:
    with pytest.raises(AgentError, match=r"http://127\.0\.0\.1:9 does not answer: .*refused") as away:
        Agent("http://127.0.0.1:9").metrics()
    assert away.value.status == 0


def test_authorities_that_are_none() -> None:
    with pytest.raises(AgentError, match="no PEM certificates"):
        Agent("https://127.0.0.1:9", ca="-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")


def test_the_token_may_be_in_a_file(tmp_path: Any) -> None:
    (tmp_path / "token").write_text("secret\n", encoding="utf-8")
    assert token_of({"token": None, "token_file": str(tmp_path / "token")}) == "secret"
    with pytest.raises(AgentError, match="cannot be read: No such file"):
        token_of({"token": None, "token_file": str(tmp_path / "none")})
