"""Extractions beside the users: without them it would be another load, so one that they left is none."""

import http.client
import signal
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import bench, load, service, sides

_KEPT = Path(__file__).parent / "data" / "kept.json"
_LONGEST = 30.0  # s


class _Agent:
    """One that begins extractions, which succeed at once, until it closes a connection without an answer."""

    def __init__(self, answers: int) -> None:
        self.left, self.closed = answers, threading.Event()
        self.metrics = ""

    def config(self, *_: str) -> int:
        return 1

    def ask(self, method: str, *_: Any) -> dict[str, Any]:
        if self.left == 0:
            self.closed.set()
            raise http.client.RemoteDisconnected("Remote end closed connection without response")
        self.left -= 1
        return {"extraction_id": 1} if method == "POST" else {"status": "succeeded"}


@pytest.mark.parametrize("answers", [0, 1])
def test_a_load_whose_extractions_stopped_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answers: int
) -> None:
    agent = _Agent(answers)

    def users(_: str, __: Any, ___: str, written: Path, ____: Any) -> int:
        """They come to their end, and hold all that is asked."""
        assert agent.closed.wait(_LONGEST), "the extractions beside have stopped"
        written.write_bytes(_KEPT.read_bytes())
        return 0

    servers = SimpleNamespace(folder=tmp_path, fill=lambda _: None, source_url="")
    side = SimpleNamespace(store_url="", file=tmp_path)
    sampler = SimpleNamespace(missed=[], pools=dict, samples=[], records_per_minute=lambda: 1.0)
    monkeypatch.setattr(load, "find_k6", lambda: "k6")
    monkeypatch.setattr(bench, "servers", lambda **_: nullcontext(servers))
    monkeypatch.setattr(sides, "prepare", lambda *_: [side])
    monkeypatch.setattr(service, "running", lambda *_: nullcontext(agent))
    monkeypatch.setattr(load, "Sampler", lambda *_: nullcontext(sampler))
    monkeypatch.setattr(load, "_with_agent", lambda found, _: found)
    monkeypatch.setattr(load, "_users", users)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # which is pytest's here
    monkeypatch.setattr(sys, "argv", ["load", "--output", str(tmp_path / "result.json")])
    assert load.main() == 1
    told = capsys.readouterr().err
    assert told.startswith("The extractions beside the users came to a stop: ")
    assert "Remote end closed connection without response" in told
    assert not (tmp_path / "result.json").exists()
