"""A MariaDB on the loopback, in a folder of its own and as an unprivileged user: for benchmarks and for tests."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from extraction_agent import errors

_USER = "nobody" if os.geteuid() == 0 else getpass.getuser()
_PATIENCE = 60.0  # s for it to answer
_SETTINGS = (
    "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--max-allowed-packet=256M", "--innodb-log-file-size=256M",
)  # fmt: skip


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


@contextmanager
def running(folder: Path, buffer_pool: str) -> Iterator[MariaDB | None]:
    """Its own database; None: there is no MariaDB here."""
    install, daemon = shutil.which("mariadb-install-db"), shutil.which("mariadbd", path=os.defpath + ":/usr/sbin")
    if install is None or daemon is None:
        yield None
        return
    folder.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, _USER)
    common = ["--no-defaults", f"--datadir={folder / 'data'}", f"--user={_USER}"]
    subprocess.run(
        [install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True, capture_output=True,
    )  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = MariaDB("127.0.0.1", int(probe.getsockname()[1]), "mysql")
    places = [
        f"--socket={folder / 'socket'}",
        f"--pid-file={folder / 'pid'}",
        f"--innodb-buffer-pool-size={buffer_pool}",
    ]
    address = [f"--port={server.port}", f"--bind-address={server.host}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([daemon, *common, *address, *places, *_SETTINGS], stdout=log, stderr=log)
    try:
        _wait(server, process, folder / "log")
        yield server
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _wait(server: MariaDB, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            server.connect().close()
        except pymysql.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise errors.ExtractionError(f"MariaDB does not answer: {log.read_text()[-2000:]}") from None
            time.sleep(0.1)
        else:
            return
