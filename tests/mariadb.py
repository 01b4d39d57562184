"""A MariaDB for tests: started on the loopback in a folder of its own, as an unprivileged user."""

import getpass
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

_USER = "nobody" if os.geteuid() == 0 else getpass.getuser()
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class MariaDB:
    """One database on the server."""

    host: str
    port: int
    name: str

    @property
    def url(self) -> str:
        return f"mysql://root@{self.host}:{self.port}/{self.name}"

    def connect(self, database: str | None = None) -> "pymysql.Connection[Any]":
        return pymysql.connect(
            host=self.host, port=self.port, user="root", database=database or self.name, autocommit=True,
            charset="utf8mb4", init_command="SET time_zone = '+00:00'",
        )  # fmt: skip

    def run(self, *statements: str, parameters: tuple[Any, ...] | None = None) -> None:
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement, parameters)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDB]:
    """The server, up for the whole session."""
    install, daemon = shutil.which("mariadb-install-db"), shutil.which("mariadbd", path=os.defpath + ":/usr/sbin")
    if install is None or daemon is None:
        pytest.skip("mariadbd is not installed (Debian: apt-get install mariadb-server-core)")
    folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _USER)
        common = ["--no-defaults", f"--datadir={folder / 'data'}", f"--user={_USER}"]
        subprocess.run(
            [install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True, capture_output=True,
        )  # fmt: skip
        server = MariaDB("127.0.0.1", _free_port(), "mysql")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    daemon, *common, f"--port={server.port}", "--bind-address=127.0.0.1",
                    f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}", "--skip-log-bin",
                    "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M",
                    "--max-allowed-packet=256M", "--innodb-log-file-size=256M",
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            _wait(server, process, folder / "log")
            yield server
        finally:
            process.terminate()
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: MariaDB, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            server.connect().close()
        except pymysql.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"mariadbd did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.1)
        else:
            return


@pytest.fixture
def make_mariadb(mariadb_server: MariaDB) -> Iterator[Callable[[], MariaDB]]:
    """Makes databases that are dropped after the test."""
    made: list[str] = []

    def make() -> MariaDB:
        name = f"source_{next(_numbers)}"
        mariadb_server.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        made.append(name)
        return MariaDB(mariadb_server.host, mariadb_server.port, name)

    yield make
    for name in made:
        mariadb_server.run(f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture
def mariadb(make_mariadb: Callable[[], MariaDB]) -> MariaDB:
    """An empty database to extract from."""
    return make_mariadb()
