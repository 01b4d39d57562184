"""`extractctl --agent`: everything the API does, at a real daemon, and what it says when something is wrong."""

import json
import os
import signal
import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import pytest
import yaml
from typer.testing import CliRunner

from agent.daemon.conftest import MakeDaemon
from agent.daemon.gates import Gate, assert_exact
from agent.faults.harness import EXTRACTCTL
from certificates import Authority
from daemons import PATIENCE, Daemon, until
from extraction_agent import errors
from extraction_agent.interfaces.cli.main import app
from extraction_agent.store.tokens import Scope
from support import Database

ITEMS: LiteralString = (
    "CREATE TABLE item AS SELECT n AS id, n * 1.10 AS price, 'name of ' || n AS name FROM generate_series(1, 1500) n"
)
VARIABLES = ("EXTRACTION_STORE", "EXTRACTION_AGENT", "EXTRACTION_TOKEN", "EXTRACTION_CA_FILE")


@pytest.fixture
def items(source: Database) -> Database:
    source.run(ITEMS, "ALTER TABLE item ADD PRIMARY KEY (id)", "ANALYZE item")
    return source


def environment(daemon: Daemon | None, **changes: str) -> dict[str, str]:
    """What a command knows of its daemon."""
    known = {} if daemon is None else {"EXTRACTION_AGENT": daemon.url, "EXTRACTION_TOKEN": daemon.token}
    return {**known, **changes}


@dataclass(frozen=True, slots=True)
class Done:
    """What a command has said."""

    stdout: str
    stderr: str


def ctl(daemon: Daemon | None, *arguments: str, status: int = 0, stdin: str = "", **changes: str) -> Done:
    """Run `extractctl` in this process; it ends with this status, by an error in words if any, and tells no token."""
    absent = dict.fromkeys(VARIABLES)
    done = CliRunner().invoke(app, arguments, stdin, {**absent, **environment(daemon, **changes)})
    error = done.exception if isinstance(done.exception, errors.ExtractionError) else None
    if done.exception is not None and error is None and not isinstance(done.exception, SystemExit):
        raise done.exception
    said = f"{done.stderr}{error or ''}"
    assert (error.exit_status if error else done.exit_code) == status, (done.stdout, said)
    assert daemon is None or not daemon.token or daemon.token not in said
    return Done(done.stdout, said)


def facts(daemon: Daemon, *arguments: str) -> Any:
    return json.loads(ctl(daemon, *arguments, "--json").stdout)


class Watch:
    """`extractctl watch` under way, a process of its own."""

    def __init__(self, daemon: Daemon, extraction_id: int, *arguments: str) -> None:
        self._said = daemon.folder / "watch"
        others = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        with self._said.open("w", encoding="utf-8") as said:
            self.process = subprocess.Popen(
                [EXTRACTCTL, "watch", str(extraction_id), *arguments],
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env={**others, **environment(daemon)},
            )
        assert self.process.stdout is not None
        self.first = self.process.stdout.readline()

    @property
    def said(self) -> str:
        return self._said.read_text(encoding="utf-8")

    def end(self) -> tuple[int, list[str]]:
        """Its status and the rest of its lines."""
        rest, _ = self.process.communicate(timeout=PATIENCE)
        assert "Traceback" not in self.said
        return self.process.returncode, rest.splitlines()


def test_from_a_config_to_its_records(daemon: Daemon, items: Database, store: Database) -> None:
    config = {"name": "items", "source_url": items.url, "definition": {"table": "item", "chunk_rows": 500}}
    made = ctl(daemon, "config", "create", "-", stdin=yaml.safe_dump(config))
    assert yaml.safe_load(made.stdout) == config
    [listed] = facts(daemon, "config", "list")["configs"]
    assert (listed["name"], listed["source_url"]) == ("items", items.url)
    config["definition"] = {"table": "item", "chunk_rows": 400, "exclude": ["name"]}
    file = daemon.folder / "items.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    ctl(daemon, "config", "replace", str(file))
    assert yaml.safe_load(ctl(daemon, "config", "show", "items").stdout) == config

    begun = facts(daemon, "start", "items", "--key", "nightly-1")
    assert (begun["extraction_id"], begun["status"], begun["rows"], begun["chunks"]) == (1, "succeeded", 1500, 4)
    again = facts(daemon, "start", "items", "--key", "nightly-1", "--detach")
    assert again["extraction_id"] == 1, "the key began no second one"
    assert store.value("SELECT count(*) FROM extractions") == 1

    lines = ctl(daemon, "records", "1").stdout.splitlines()
    assert sorted(lines) == sorted(row[0] for row in store.rows("SELECT data::text FROM extraction_data"))
    assert len(lines) == 1500, "two pages"
    assert any('"price":1.10' in line for line in lines), "a number keeps its last digit"
    page = facts(daemon, "records", "1", "--limit", "10")
    assert len(page["records"]) == 10
    rest = ctl(daemon, "records", "1", "--limit", "5", "--after", page["next"]).stdout.splitlines()
    assert rest == lines[10:15]

    assert facts(daemon, "tuning", "show")["profile"] == "test"
    assert "has extractions" in ctl(daemon, "config", "delete", "items", status=1).stderr
    config["name"] = "unused"
    ctl(daemon, "config", "create", "-", stdin=yaml.safe_dump(config))
    assert facts(daemon, "config", "delete", "unused") == {"deleted": "unused"}
    assert [one["name"] for one in facts(daemon, "config", "list")["configs"]] == ["items"]
    assert [one["action"] for one in facts(daemon, "audit", "list", "--object", "config unused")["entries"]] == [
        "config.deleted",
        "config.created",
    ]


def test_through_an_agent_it_prints_what_it_prints_on_the_store(
    daemon: Daemon, items: Database, store: Database
) -> None:
    config = {"name": "items", "source_url": items.url, "definition": {"table": "item"}}
    ctl(daemon, "config", "create", "-", stdin=json.dumps(config))
    ctl(daemon, "start", "items")
    for command in (("list",), ("show", "1"), ("watch", "1"), ("audit", "list")):
        for form in ((), ("--json",)):
            here = ctl(None, *command, *form, "--store", store.url)
            there = ctl(daemon, *command, *form)
            assert there.stdout == here.stdout
            assert there.stdout.count("\n") >= 1
    for command in (("cancel", "1"), ("resume", "1")):
        here = ctl(None, *command, "--store", store.url, status=1)
        there = ctl(daemon, *command, status=1)
        assert there.stderr == here.stderr
        assert "is succeeded; there is nothing to" in there.stderr


def test_a_failed_extraction_is_taken_up_again_and_a_running_one_given_up(
    daemon: Daemon, source: Database, store: Database
) -> None:
    with Gate(source) as gate:
        first = gate.extraction(store)
        gate.wait_for(1)
        watch = Watch(daemon, first, "--json")
        assert facts(daemon, "cancel", str(first))["status"] == "cancelled"
        status, lines = watch.end()
        assert (status, json.loads(lines[-1])["status"]) == (1, "cancelled")
        assert "Extraction 1 was cancelled; nothing of it is in the store." in watch.said
        second = gate.extraction(store)
        gate.wait_for(1)
        store.run("UPDATE extractions SET status = 'failed', error = 'It broke.' WHERE status = 'running'")
        assert "Extraction 2 failed. It broke." in ctl(daemon, "watch", str(second), status=1).stderr
        refused = ctl(daemon, "resume", str(second), "--secret", "x", status=2)
        assert "--source and --secret are for work done here" in refused.stderr
    assert facts(daemon, "resume", str(second))["status"] == "succeeded"
    assert_exact(store, second)


def test_a_watch_outlives_its_agent(make_daemon: MakeDaemon, source: Database, store: Database) -> None:
    """Killed and started again at the same address: said both times, and the watch ends with the extraction."""
    daemon = make_daemon()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    daemon.configure(api={"port": port})
    daemon.start()
    daemon.make_token()
    with Gate(source) as gate:
        extraction_id = gate.extraction(store)
        gate.wait_for(1)
        watch = Watch(daemon, extraction_id, "--json")
        assert json.loads(watch.first)["status"] == "running"
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        until(lambda: "Waiting up to 300 s." in watch.said, "the watch noticing")
        assert f"The agent http://127.0.0.1:{port} " in watch.said
        given_up = ctl(None, "watch", str(extraction_id), "--patience", "0.5", "--agent", f"http://127.0.0.1:{port}",
                       EXTRACTION_TOKEN=daemon.token, status=1)  # fmt: skip
        assert "nothing listens there" in given_up.stderr
        assert f"`extractctl watch {extraction_id}` looks at it again." in given_up.stderr
        daemon.start()
        until(lambda: "Back after" in watch.said, "the watch going on")
    status, lines = watch.end()
    last = json.loads(lines[-1])
    assert (status, last["status"], last["rows"]) == (0, "succeeded", 10_000)
    assert_exact(store, extraction_id)


def test_who_stops_watching_stops_nothing(daemon: Daemon, source: Database, store: Database) -> None:
    with Gate(source) as gate:
        extraction_id = gate.extraction(store)
        gate.wait_for(1)
        for number in (signal.SIGINT, signal.SIGTERM):
            watch = Watch(daemon, extraction_id, "--json")
            watch.process.send_signal(number)
            status, _ = watch.end()
            assert status == 130
            assert watch.said == "Extraction 1 goes on; `extractctl watch 1` looks at it again.\n"
    assert_exact(store, extraction_id)


def test_mistakes_are_told_in_a_sentence(daemon: Daemon, store: Database) -> None:
    def told(*arguments: str, status: int = 2, **changes: str) -> str:
        return ctl(daemon, *arguments, status=status, **changes).stderr

    assert "`extractctl list` shows those there are" in told("show", "77")
    assert "There is no extraction 77" in told("watch", "77", "--json")
    assert "There is no config nosuch" in told("start", "nosuch")
    assert "There is no extraction 77" in told("records", "77")
    assert "The query: after:" in told("records", "1", "--after", "x; DROP TABLE")
    assert "put it into the environment as EXTRACTION_TOKEN" in told("list", EXTRACTION_TOKEN="")
    assert "with the token of EXTRACTION_TOKEN" in told("list", EXTRACTION_TOKEN="xtr_nonsense")
    assert "holds is no token" in told("list", EXTRACTION_TOKEN="two words")
    assert "cannot be read: No such file" in told("list", "--token-file", "/not/here")
    assert "name on the command line which is meant" in told("list", EXTRACTION_STORE=store.url)
    assert "name on the command line which is meant" in told("list", "--store", store.url, "--agent", daemon.url)
    assert "Say where" in told("list", EXTRACTION_AGENT="")
    assert "Say which agent" in told("config", "list", EXTRACTION_AGENT="")
    assert "in clear" in told("list", "--agent", "http://db1.example:8470")
    assert "does it speak TLS" not in told("list", "--agent", "http://127.0.0.1:1", status=1)
    assert "does not speak TLS as we do" in told("list", "--agent", daemon.url.replace("http:", "https:"), status=1)
    assert "There is nothing at this address" in told("list", "--agent", f"{daemon.url}/elsewhere")
    wrong = told("config", "create", "-", stdin="{name: x, source_url: postgresql://h/d, definition: {tabel: item}}")
    assert "unknown key definition.tabel: did you mean table?" in wrong
    assert "is not YAML" in told("config", "create", "-", stdin="{")
    assert "cannot be read: No such file" in told("config", "create", "/not/here.yml")
    # The command line names the store, so the agent of the environment is not meant.
    assert ctl(daemon, "list", "--store", store.url).stdout.startswith("id")


def test_a_token_is_read_from_a_file_and_held_to_its_scope(daemon: Daemon) -> None:
    file = daemon.folder / "token"
    file.write_text(f"{daemon.make_token(Scope.READ)}\n", encoding="utf-8")
    ctl(daemon, "list", "--token-file", str(file), EXTRACTION_TOKEN="xtr_nonsense")
    refused = ctl(daemon, "cancel", "1", "--token-file", str(file), status=2, EXTRACTION_TOKEN="")
    assert "This needs a token of the scope operate" in refused.stderr
    assert f"with the token of the file {file}" in refused.stderr


def test_a_busy_agent_is_asked_again(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    daemon.configure(api={"rate_per_second": 1, "burst": 1})
    daemon.start()
    daemon.make_token()
    statuses = [daemon.ask("/api/v1/configs").status for _ in range(3)]
    assert 429 in statuses
    ctl(daemon, "list")


def test_tls_is_held_to_its_authority(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue(tmp_path)
    trusted = tmp_path / "authority.pem"
    trusted.write_text(ssl.DER_cert_to_PEM_cert(authority.trust().get_ca_certs(binary_form=True)[0]), encoding="ascii")
    daemon = make_daemon()
    daemon.configure(api={"tls": {"certificate": str(certificate), "key": str(key)}})
    daemon.start()
    daemon.make_token()
    port = daemon.url.rsplit(":", 1)[1]
    ctl(daemon, "list", "--ca-file", str(trusted))
    assert "is not trusted: unable to get local issuer" in ctl(daemon, "list", status=1).stderr
    other = ctl(daemon, "list", "--agent", f"https://localhost:{port}", "--ca-file", str(trusted), status=1)
    assert "Hostname mismatch" in other.stderr
    plain = ctl(daemon, "list", "--agent", f"http://127.0.0.1:{port}", status=1)
    assert "does it speak TLS (https)?" in plain.stderr
