"""A real daemon of one profile on loopback, as a benchmark sees it: started, asked, watched, drained."""

import json
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from extraction_agent import errors
from extraction_agent.store import tokens
from extraction_agent.store.store import Store
from extraction_agent.store.tokens import Scope

PATIENCE = 60.0  # s, for the daemon to be ready, for one answer, for its end
LONGEST = 3600.0  # s of one extraction
_AGENT = Path(sys.executable).parent / "extraction-agent"
_LOOK = 0.1  # s between two looks at an extraction
_UNLIMITED = 100_000  # requests a second: all users of a benchmark have one token


@dataclass(frozen=True, slots=True)
class Moved:
    """One extraction, from the request that asked for it to the commit that ended it."""

    extraction_id: int
    rows: int
    seconds: float
    started_at: datetime

    @property
    def rows_per_minute(self) -> float:
        return self.rows / self.seconds * 60


@dataclass(slots=True)
class Service:
    """A daemon that is ready."""

    url: str
    token: str
    pid: int

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """An answer's JSON; one that is told to come again does. Raises ExtractionError with the daemon's words."""
        headers = {**self.authorization, "Idempotency-Key": secrets.token_hex(16)}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        limit = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(request, timeout=LONGEST) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as refused:
                with refused:
                    told = f"{refused.code} {refused.read().decode(errors='replace')[:500]}"
                if refused.code != HTTPStatus.TOO_MANY_REQUESTS or time.monotonic() > limit:
                    raise errors.ExtractionError(f"The daemon refused {method} {path}: {told}") from None
                time.sleep(float(refused.headers.get("Retry-After", 1)))
            except (urllib.error.URLError, TimeoutError) as away:
                raise errors.ExtractionError(f"The daemon did not answer {method} {path}: {away}.") from away

    def metrics(self) -> str:
        """What Prometheus would scrape."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    def config(self, name: str, source_url: str, table: str) -> int:
        """Keep a config, or find the one of this name. Returns its number."""
        for known in self.ask("GET", f"/api/v1/configs?name={name}")["configs"]:
            return int(known["id"])
        body = {"name": name, "source_url": source_url, "definition": {"table": table}}
        return int(self.ask("POST", "/api/v1/configs", body)["id"])

    def extract(self, config_id: int) -> Moved:
        """Run one extraction to its end. The store's clock, which is this machine's, says when that was."""
        begun = datetime.now(UTC)
        number = self.ask("POST", "/api/v1/extractions", {"config_id": config_id})["extraction_id"]
        return self.ended(number, begun)

    def ended(self, extraction_id: int, begun: datetime) -> Moved:
        """Wait for an extraction's end. Raises ExtractionError unless it succeeds."""
        limit = time.monotonic() + LONGEST
        while (view := self.ask("GET", f"/api/v1/extractions/{extraction_id}"))["status"] in {"pending", "running"}:
            if time.monotonic() > limit:
                raise errors.ExtractionError(f"Extraction {extraction_id} has not ended within {LONGEST:g} s.")
            time.sleep(_LOOK)
        if view["status"] != "succeeded":
            raise errors.ExtractionError(f"Extraction {extraction_id} has {view['status']}: {view['error']}")
        end = datetime.fromisoformat(view["created_at"]) + timedelta(seconds=view["seconds"])
        return Moved(extraction_id, int(view["rows"]), (end - begun).total_seconds(), begun)


@contextmanager
def running(
    folder: Path, store_url: str, profile: Path, redis_url: str | None = None, *,
    program: Sequence[str | Path] = (_AGENT,), state: Path | None = None,
) -> Iterator[Service]:  # fmt: skip
    """A daemon of the profile in this file, with its other files in the folder; drained at the end.

    program: what is run, with its first arguments. state: where it keeps generations; without it, no rollout can change
    it. Raises ExtractionError if it does not become ready, or does not end as it should.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file, log = folder / "agent.yml", folder / "agent.log"
    settings = {
        "store": {"url": store_url},
        "profile": str(profile),
        "api": {"port": 0, "rate_per_second": _UNLIMITED, "burst": _UNLIMITED},
        "cache": {"redis_url": redis_url},
        "state_directory": None if state is None else str(state),
    }
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    token = tokens.mint()
    with Store(store_url) as store:
        store.create_token(token, f"benchmark-{secrets.token_hex(4)}", frozenset(Scope), None)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EXTRACTION_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*program, "--config", file], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
    try:
        yield Service(_ready(process, log, token), token, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise errors.ExtractionError(f"The daemon did not end within {PATIENCE:g} s: {_last(log)}") from None


def _ready(process: "subprocess.Popen[bytes]", log: Path, token: str) -> str:
    """Its URL, once it has said that it is ready."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"listening on (http[^\s\"]+)", log.read_text(encoding="utf-8"))
        if found:
            try:
                Service(found[1], token, process.pid).ask("GET", "/readiness")
            except errors.ExtractionError:
                pass
            else:
                return found[1]
        time.sleep(0.05)
    raise errors.ExtractionError(f"The daemon does not become ready: {_last(log)}")


def _last(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-1000:].strip() or "it has said nothing."
