"""Debian's Alertmanager for tests, and somebody whom it tells: on loopback, each alert by itself and at once."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from prometheus import Monitor


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


class Alertmanager(Monitor):
    """A running one."""

    def __init__(self, folder: Path, receiver: str) -> None:
        """receiver: the URL of a webhook."""
        settings = {
            "route": {"receiver": "test", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"},
            "receivers": [{"name": "test", "webhook_configs": [{"url": receiver}]}],
        }
        options = [f"--storage.path={folder / 'data'}", "--cluster.listen-address="]
        super().__init__("prometheus-alertmanager", folder, settings, *options)
