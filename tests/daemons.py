"""A real `extraction-agent` process of a test: its files, its log, its port, and what it tells systemd."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from extraction_agent.store import tokens
from extraction_agent.store.store import Store
from extraction_agent.store.tokens import Scope

EXTRACTION_AGENT = Path(sys.executable).parent / "extraction-agent"
PATIENCE = 90.0  # s, for whatever a test waits for
_LISTENING = "listening on "


class Manager:
    """systemd's end of the notification socket."""

    def __init__(self, address: str) -> None:
        """address: a path, or @NAME for an abstract socket."""
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.told: list[dict[str, str]] = []

    def close(self) -> None:
        self._socket.close()

    def receive(self, seconds: float) -> dict[str, str] | None:
        """The next message; None if none comes."""
        self._socket.settimeout(seconds)
        try:
            text = self._socket.recv(65536).decode()
        except TimeoutError:
            return None
        self.told.append(dict(line.split("=", 1) for line in text.split("\n")))
        return self.told[-1]

    def wait_for(self, field: str) -> dict[str, str]:
        """The next message that has this field."""
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            message = self.receive(left)
            if message is not None and field in message:
                return message
        raise AssertionError(f"no {field} came; {self.told}")

    def drain(self) -> list[dict[str, str]]:
        """All that has come so far."""
        found = []
        while message := self.receive(0.01):
            found.append(message)
        return found


@dataclass(frozen=True, slots=True)
class Answer:
    """What the daemon answered."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Daemon:
    """One agent in a folder of its own; started and ended at will, with the same files each time."""

    def __init__(self, folder: Path, store_url: str, program: list[str] | None = None, **environment: str) -> None:
        """program: what is run in the place of `extraction-agent`, with its arguments."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file = folder / "agent.yml"
        self.profile_file = folder / "profile.yml"
        self.store_url = store_url
        self.token = ""
        self.manager = Manager(f"@extraction-test-{secrets.token_hex(8)}")
        self.environment = {"NOTIFY_SOCKET": self.manager.address, **environment}
        self._program = program or [str(EXTRACTION_AGENT)]
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "log"
        self._log.touch()
        self._begun = 0  # bytes of the log before the latest start
        self.configure()
        self.tune()

    # Its files

    def configure(self, **changes: Any) -> None:
        """Write the configuration: configure(drain_seconds=5, api={"page_limit": 10})."""
        settings: dict[str, Any] = {"store": {"url": self.store_url}, "profile": "profile.yml", **changes}
        settings["api"] = {"port": 0, **settings.get("api", {})}
        self.file.write_text(yaml.safe_dump(settings), encoding="utf-8")

    def tune(self, **settings: dict[str, Any]) -> None:
        """Write the profile: tune(reading={"chunks_in_flight": 4})."""
        profile = {"name": "test", "description": "of a test", "extends": "optimized", "settings": settings}
        self.profile_file.write_text(yaml.safe_dump(profile), encoding="utf-8")

    # Its life

    def start(self, *, ready: bool = True) -> Self:
        """ready: wait until it says so."""
        self._begun = self._log.stat().st_size
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EXTRACTION_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._program, "--config", str(self.file)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**environment, **self.environment},
            )
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        """Until systemd would take it for started. Fails if it ends before."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            message = self.manager.receive(0.1)
            if message is not None and message.get("READY") == "1":
                return
            assert self.process.poll() is None, self.text
        raise AssertionError(f"it was not ready in time: {self.text}")

    def make_token(self, *scopes: Scope) -> str:
        """Make a token of these scopes, all of them without any, and use it from now on."""
        text = tokens.mint()
        with Store(self.store_url) as store:
            store.create_token(text, f"test-{secrets.token_hex(4)}", frozenset(scopes or Scope), None)
        self.token = text
        return text

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "it has not been started"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit status."""
        return self.process.wait(seconds)

    def stop(self) -> None:
        """As systemd does it; it must drain."""
        self.signal(signal.SIGTERM)
        status = self.wait()
        assert status == 0, f"exit status {status}: {self.text}"

    def reload(self) -> dict[str, str]:
        """SIGHUP. Returns the message that ends the reload."""
        self.manager.drain()
        self.signal(signal.SIGHUP)
        self.manager.wait_for("RELOADING")
        return self.manager.wait_for("READY")

    def close(self) -> None:
        """End it whatever it does, and hold that it never answered with a traceback."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self.manager.close()
        assert "Traceback" not in self._log.read_text(encoding="utf-8"), self._log.read_text(encoding="utf-8")

    # Its words

    @property
    def text(self) -> str:
        """Its log since the latest start."""
        return self._log.read_bytes()[self._begun :].decode()

    @property
    def log(self) -> list[dict[str, Any]]:
        """The records of its log since the latest start."""
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{") and line.endswith("}")]

    def said(self, words: str) -> bool:
        return any(words in record["message"] for record in self.log)

    @property
    def url(self) -> str:
        """Where it listens."""
        for record in self.log:
            if record["message"].startswith(_LISTENING):
                return str(record["message"].removeprefix(_LISTENING))
        raise AssertionError(f"it listens nowhere: {self.text}")

    def ask(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Answer:
        """One request, with the token if there is one."""
        request = urllib.request.Request(self.url + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as refused:
            with refused:
                return Answer(refused.code, dict(refused.headers), refused.read().decode())

    def metric(self, sample: str) -> float:
        """The value of a sample as Prometheus would scrape it: metric('hikari_pool_max_connections{pool="store"}')."""
        for line in self.ask("/metrics").text.splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        raise AssertionError(f"there is no {sample}")


def until(reached: Callable[[], bool], what: str = "it", seconds: float = PATIENCE) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.02)
