"""Debian's Alertmanager for tests, and somebody whom it tells: on loopback, each alert by itself and at once."""

import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from prometheus import free_port


class Receiver:
    """A webhook that keeps what it is told: the status and the labels of each alert, in the order they came."""

    def __init__(self) -> None:
        self._told: list[tuple[str, dict[str, str]]] = []
        told = self._told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told.extend((alert["status"], alert["labels"]) for alert in body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def count(self) -> int:
        """How often it was told of an alert so far."""
        return len(self._told)

    def told(self, status: str, since: int = 0) -> set[str]:
        """Names of the alerts it was told of with this status, firing or resolved. since: after so many."""
        return {labels["alertname"] for known, labels in self._told[since:] if known == status}


class Alertmanager:
    """A running one. Skips the test where there is none."""

    def __init__(self, folder: Path, receiver: str) -> None:
        """receiver: the URL of a webhook."""
        program = shutil.which("prometheus-alertmanager")
        if program is None:
            pytest.skip("Alertmanager is not installed (Debian: apt-get install prometheus-alertmanager)")
        self._program, self._folder = program, folder
        settings = {
            "route": {"receiver": "test", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"},
            "receivers": [{"name": "test", "webhook_configs": [{"url": receiver}]}],
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        self.url = f"http://127.0.0.1:{free_port()}"

    def __enter__(self) -> Self:
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    f"--config.file={self._folder / 'alertmanager.yml'}",
                    f"--storage.path={self._folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                    "--cluster.listen-address=",
                ],
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
