"""`--validate-config` and `--print-config`: what they say, and that they touch nothing."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from certificates import Authority
from daemons import EXTRACTION_AGENT, Manager

SECRET = "s3cret/of the store"


def _run(file: Path, *options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [EXTRACTION_AGENT, "--config", file, *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PATH": os.environ["PATH"], **environment},
    )
    assert "Traceback" not in done.stderr
    return done


def _write(folder: Path, **settings: Any) -> Path:
    file = folder / "agent.yml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return file


def _tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in [folder, *folder.rglob("*")]}


def test_validating_touches_nothing(tmp_path: Path) -> None:
    """Neither the store, nor Redis, nor the port, nor systemd, nor a file: all of them are here and would tell."""
    home = tmp_path / "home"
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        manager = Manager(f"@{tmp_path}")
        try:
            file = _write(
                home,
                store={"url": f"postgresql://agent@127.0.0.1:{port}/store", "secret": "not_here"},
                cache={"redis_url": f"redis://127.0.0.1:{port}/0"},
                api={"port": port, "tls": {"certificate": "/not/here.pem", "key": "/not/here.key"}},
            )
            before = _tree(home)
            done = _run(
                file, "--validate-config", HOME=str(home), TMPDIR=str(home), NOTIFY_SOCKET=manager.address,
                PYTHONDONTWRITEBYTECODE="1",
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout == f"The configuration {file} is valid.\n"
            assert _tree(home) == before
            assert manager.receive(0.2) is None
            with socket.create_connection(("127.0.0.1", port)) as ours:
                first, address = listener.accept()
                first.close()
                assert address == ours.getsockname(), "somebody else had connected before"
        finally:
            manager.close()


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    """Before the agent is restarted with it, or told to reload."""
    (tmp_path / "other").mkdir()
    authority = Authority()
    certificate, key = authority.issue(tmp_path)
    _, other = authority.issue(tmp_path / "other")
    for given, status in ((key, 0), (other, 2)):
        tls = {"certificate": str(certificate), "key": str(given)}
        done = _run(_write(tmp_path, store={"url": "postgresql://a@h/s"}, api={"tls": tls}), "--validate-config")
        assert done.returncode == status, done.stderr
    assert f"The certificate {certificate} with its key {other} cannot be used" in done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"stroe": {"url": "postgresql://a@b/c"}}, "unknown key stroe: did you mean store?"),
        ({"store": {"url": "postgresql://a@b/c"}, "api": {"prot": 1}}, "unknown key api.prot: did you mean port?"),
        ({"store": {"url": "postgresql://a@b/c"}, "profile": "optimised"}, "Did you mean optimized?"),
        ({"store": {"url": "postgresql://a:pw4711@b/c"}}, "put that into a secret"),
        ({"store": {"url": "postgresql://a@b/c?password=pw4711"}}, "use --secret"),
        ({"store": {"url": "mysql://a@b/c"}}, "it is postgresql://user@host/database"),
        ({"store": {"url": "postgresql://a@b/c"}, "cache": {"redis_url": "redis://:pw4711@h"}}, "into a secret"),
        ({"store": {"url": "postgresql://a@b/c"}, "api": {"listen": "0.0.0.0"}}, "listen on 127.0.0.1"),
        ({"store": {"url": "postgresql://a@b/c"}, "drain_seconds": 0}, "drain_seconds: input should be greater than 0"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    done = _run(_write(tmp_path, **settings), "--validate-config")
    assert done.returncode == 2
    assert said in done.stderr
    assert "pw4711" not in done.stderr
    assert done.stdout == ""


def test_a_wrong_file_never_starts(tmp_path: Path) -> None:
    done = _run(_write(tmp_path, store={"url": "postgresql://a@b/c"}, stor={}))
    assert done.returncode == 2
    assert "did you mean store?" in done.stderr


def test_a_missing_secret_never_starts(tmp_path: Path) -> None:
    done = _run(_write(tmp_path, store={"url": "postgresql://a@b/c", "secret": "store_password"}))
    assert done.returncode == 2
    assert "LoadCredential=store_password" in done.stderr


def test_printing_shows_all_but_secrets(tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text(
        "name: own\ndescription: of the test\nextends: optimized\nsettings: {pool: {maximum: 12, minimum_idle: 3}}\n",
        encoding="utf-8",
    )
    file = _write(tmp_path, store={"url": "postgresql://a@b/c", "secret": "store_password"}, profile="own.yml")
    done = _run(file, "--print-config", EXTRACTION_SECRET_STORE_PASSWORD=SECRET)
    assert (done.returncode, done.stderr) == (0, "")
    printed = yaml.safe_load(done.stdout)
    assert printed["store"] == {"url": "postgresql://a@b/c", "secret": "store_password"}
    assert printed["drain_seconds"] == 30
    assert printed["profile"]["name"] == "own"
    assert printed["profile"]["settings"]["pool"]["maximum"] == 12
    assert SECRET not in done.stdout


def test_logs_hold_no_secret() -> None:
    """What was read as a secret, and what looks like one, in whatever words an error puts it."""
    program = (
        "import logging\n"
        "from extraction_agent import secrets\n"
        "from extraction_agent.observe import logs\n"
        "logs.to_stderr('info')\n"
        "value = secrets.resolve('store')\n"
        "log = logging.getLogger('extraction_agent.test')\n"
        "log.info('at %s', secrets.join('postgresql://a@b/c', value))\n"
        "log.info('raw %s', value)\n"
        "log.info('mysql://root:other4711@h/d')\n"
        "log.info(\"host=h password='other4711 x' dbname=d\")\n"
        "log.info('Authorization: Bearer other4711')\n"
        "with logs.about(7):\n"
        "    log.warning('for seven')\n"
        "try:\n"
        "    raise ValueError(value)\n"
        "except ValueError:\n"
        "    log.exception('caught')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={"EXTRACTION_SECRET_STORE": SECRET},
    )
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert [record["message"] for record in records] == [
        "at postgresql://a:***@b/c",
        "raw ***",
        "mysql://root:***@h/d",
        "host=h password=*** dbname=d",
        "Authorization: Bearer ***",
        "for seven",
        "caught",
    ]
    assert records[5]["extraction_id"] == 7
    assert records[5]["level"] == "warning"
    assert "ValueError: ***" in records[6]["fault"]
    assert SECRET not in done.stderr
    assert "other4711" not in done.stderr
