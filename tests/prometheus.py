"""Debian's Prometheus for tests: scrapes every second, in a folder of its own, on loopback."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

_PATIENCE = 60.0  # s

Value = tuple[dict[str, str], float]


class Monitor:
    """Prometheus or Alertmanager, while it is entered. Skips the test where there is none."""

    def __init__(self, program: str, folder: Path, settings: dict[str, Any], *options: str) -> None:
        """options: beside those that both know."""
        found = shutil.which(program)
        if found is None:
            pytest.skip(f"{program} is not installed (Debian: apt-get install {program})")
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / f"{program}.yml"
        configuration.write_text(yaml.safe_dump(settings), encoding="utf-8")
        address = f"127.0.0.1:{free_port()}"
        self.url, self._log = f"http://{address}", folder / "log"
        self._command = [found, f"--config.file={configuration}", f"--web.listen-address={address}", *options]

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


class Prometheus(Monitor):
    """A running server."""

    def __init__(
        self,
        folder: Path,
        targets: str | Sequence[str],
        token: str | None = None,
        *,
        rules: Path | None = None,
        alertmanager: str | None = None,
    ) -> None:
        """targets: http://host:port, whose /metrics are scraped as one job; token: a bearer's; alertmanager: a URL."""
        targets = [targets] if isinstance(targets, str) else targets
        scrape: dict[str, Any] = {
            "job_name": "extraction",
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "static_configs": [{"targets": [target.removeprefix("http://") for target in targets]}],
        }
        settings: dict[str, Any] = {"global": {"evaluation_interval": "1s"}, "scrape_configs": [scrape]}
        if rules is not None:
            settings["rule_files"] = [str(rules)]
        if alertmanager is not None:
            told = {"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}
            settings["alerting"] = {"alertmanagers": [told]}
        if token is not None:
            scrape["authorization"] = {"credentials": token}
        super().__init__("prometheus", folder, settings, f"--storage.tsdb.path={folder / 'data'}")

    def ask(self, query: str) -> list[Value]:
        """Labels and value of each series that answers."""
        result = self._api("query?" + urllib.parse.urlencode({"query": query}))["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def rules(self) -> list[dict[str, Any]]:
        """Each rule: its name, its health, when it was last evaluated, what of it fires."""
        return [rule for group in self._api("rules")["groups"] for rule in group["rules"]]

    def _api(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=10) as answer:
            return json.load(answer)["data"]

    def wait_for(self, query: str, fits: Callable[[float], bool]) -> list[Value]:
        """Ask until there are series and the values of all of them fit."""
        deadline = time.monotonic() + _PATIENCE
        answer: list[Value] = []
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self._log.read_text(encoding="utf-8")
            try:
                answer = self.ask(query)
            except (urllib.error.URLError, ConnectionError):  # not up yet
                answer = []
            if answer and all(fits(value) for _, value in answer):
                return answer
            time.sleep(0.5)
        raise AssertionError(f"{query} answers {answer}")


def free_port() -> int:
    """On loopback; somebody else may take it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
