"""An agent for k6's users, and k6."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from benchmarks.load import find_k6

from daemons import Daemon
from extraction_agent import errors
from support import Database

SCRIPTS = Path(__file__).parents[2] / "load-tests"
_CONFIGS = 5


@dataclass(frozen=True, slots=True)
class K6:
    """The binary, pointed at an agent."""

    program: str
    environment: dict[str, str]

    def run(self, script: str, *options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [
                self.program,
                "run",
                "--quiet",
                "--address",
                "localhost:0",
                *options,
                str(SCRIPTS / f"extraction-{script}.js"),
            ],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def agent(tmp_path: Path, source: Database, store: Database) -> Iterator[Daemon]:
    """An agent of the profile `optimized`, with small configs that the users may start."""
    source.run("CREATE TABLE small AS SELECT n AS id, 'name ' || n AS name FROM generate_series(1, 500) AS n")
    source.run("ALTER TABLE small ADD PRIMARY KEY (id)")
    daemon = Daemon(tmp_path / "agent", store.url)
    daemon.configure(profile="optimized", api={"rate_per_second": 10_000, "burst": 10_000})
    daemon.make_token()
    try:
        daemon.start()
        for number in range(_CONFIGS):
            body = {"name": f"load-{number}", "source_url": source.url, "definition": {"table": "small"}}
            assert daemon.ask("/api/v1/configs", "POST", body).status == 201
        yield daemon
    finally:
        daemon.close()


@pytest.fixture
def k6(agent: Daemon) -> K6:
    """Skips the test where k6 is not installed."""
    try:
        program = find_k6()
    except errors.UsageError as error:
        pytest.skip(str(error))
    own = {"EXTRACTION_URL": agent.url, "EXTRACTION_TOKEN": agent.token, "K6_NO_USAGE_REPORT": "true"}
    return K6(program, {"PATH": os.environ["PATH"], "HOME": str(agent.folder), **own})
