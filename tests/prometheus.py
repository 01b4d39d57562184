"""Debian's Prometheus for tests: scrapes one target every second, in a folder of its own, on loopback."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

_PATIENCE = 60.0  # s

Value = tuple[dict[str, str], float]


class Prometheus:
    """A running server. Skips the test where there is none."""

    def __init__(self, folder: Path, target: str, token: str | None = None) -> None:
        """target: http://host:port, whose /metrics is scraped; token: a bearer's."""
        program = shutil.which("prometheus")
        if program is None:
            pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
        self._program, self._folder = program, folder
        scrape: dict[str, Any] = {
            "job_name": "extraction",
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "static_configs": [{"targets": [target.removeprefix("http://")]}],
        }
        if token is not None:
            scrape["authorization"] = {"credentials": token}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [scrape]}), encoding="utf-8")
        self._url = f"http://127.0.0.1:{_free_port()}"

    def __enter__(self) -> Self:
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address={self._url.removeprefix('http://')}",
                ],
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def ask(self, query: str) -> list[Value]:
        """Labels and value of each series that answers."""
        asked = urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(f"{self._url}/api/v1/query?{asked}", timeout=10) as answer:
            result = json.load(answer)["data"]["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def wait_for(self, query: str, fits: Callable[[float], bool]) -> list[Value]:
        """Ask until there are series and the values of all of them fit."""
        deadline = time.monotonic() + _PATIENCE
        answer: list[Value] = []
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self._folder / "log").read_text(encoding="utf-8")
            try:
                answer = self.ask(query)
            except (urllib.error.URLError, ConnectionError):  # not up yet
                answer = []
            if answer and all(fits(value) for _, value in answer):
                return answer
            time.sleep(0.5)
        raise AssertionError(f"{query} answers {answer}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
