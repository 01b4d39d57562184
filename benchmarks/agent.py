"""The daemon of a measurement: `extraction-agent` as it is, under a profile, on loopback, with its HTTP interface."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg import sql as q

from extraction_agent import profiles
from extraction_agent.tuning.indexes.wanted import OF_STORE

BIN = Path(sys.executable).parent
_PATIENCE = 60.0  # s for the daemon to be ready, to answer, and to end
_POLL = 0.1  # s
_UNLIMITED = 10_000  # requests a second of one token: here all users have one


@dataclass(frozen=True, slots=True)
class Agent:
    """A running one. Asked wrongly, it raises urllib.error.HTTPError."""

    url: str
    token: str
    pid: int

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What it answers, read as JSON."""
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": uuid.uuid4().hex}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            return json.loads(answer.read() or b"null")

    def keep(self, name: str, source_url: str, table: str) -> int:
        """Keep a config. Returns its number."""
        body = {"name": name, "source_url": source_url, "definition": {"table": table}}
        return int(self.ask("POST", "/api/v1/configs", body)["id"])

    def start(self, config_id: int) -> int:
        """Begin an extraction. Returns its number."""
        return int(self.ask("POST", "/api/v1/extractions", {"config_id": config_id})["extraction_id"])

    def show(self, extraction_id: int) -> dict[str, Any]:
        """An extraction as it stands."""
        shown: dict[str, Any] = self.ask("GET", f"/api/v1/extractions/{extraction_id}")
        return shown

    def follow(self, extraction_id: int) -> dict[str, Any]:
        """Wait for an extraction's end. Raises SystemExit unless it succeeded."""
        while (shown := self.show(extraction_id))["status"] in {"pending", "running"}:
            time.sleep(_POLL)
        if shown["status"] != "succeeded":
            raise SystemExit(f"Extraction {extraction_id} {shown['status']}: {shown}")
        return shown

    def metrics(self) -> str:
        """Its /metrics."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=_PATIENCE) as answer:
            text: str = answer.read().decode()
        return text


@contextmanager
def running(folder: Path, store_url: str, profile: str, **configuration: Any) -> Iterator[Agent]:
    """A daemon whose store is prepared, the profile's indexes in place; ended at the end.

    profile: a shipped one's name, or a file. configuration: more keys of its file, such as cache.
    Raises UsageError for the profile, SystemExit with its log if it does not become ready.
    """
    loaded = profiles.load(profile)
    environment = {**os.environ, "EXTRACTION_STORE": store_url}
    _extractctl(environment, "store", "init")
    with psycopg.connect(store_url, autocommit=True) as connection:
        for wanted in (OF_STORE[name] for name in loaded.settings.indexes.store):
            connection.execute(
                q.SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({})").format(
                    q.Identifier(wanted.name),
                    q.Identifier(wanted.table),
                    q.SQL(", ").join(map(q.Identifier, wanted.columns)),
                )
            )
    name = f"load-{uuid.uuid4().hex[:8]}"
    made = _extractctl(environment, "token", "create", name, "--scope", "read", "--scope", "operate", "--json")
    file, log = folder / f"{name}.yml", folder / f"{name}.log"
    api = {"port": 0, "rate_per_second": _UNLIMITED, "burst": _UNLIMITED}
    settings = {"store": {"url": store_url}, "profile": profile, "api": api, **configuration}
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with log.open("wb") as output:
        daemon = subprocess.Popen([BIN / "extraction-agent", "--config", file], stdout=output, stderr=output)
    try:
        yield _ready(daemon, log, json.loads(made)["token"])
    finally:
        daemon.terminate()
        try:
            daemon.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _extractctl(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [BIN / "extractctl", *arguments], env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"extractctl {arguments[0]} {arguments[1]} failed: {done.stderr.strip()}")
    return done.stdout


def _ready(daemon: "subprocess.Popen[bytes]", log: Path, token: str) -> Agent:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and daemon.poll() is None:
        found = re.search(r"listening on (http\S+?)[\"\s]", log.read_text(encoding="utf-8"))
        if found:
            agent = Agent(found[1], token, daemon.pid)
            try:
                agent.ask("GET", "/readiness")
            except urllib.error.HTTPError:
                pass
            else:
                return agent
        time.sleep(_POLL)
    raise SystemExit(f"The daemon does not become ready:\n{log.read_text(encoding='utf-8')}")
