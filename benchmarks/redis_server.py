"""A Redis for a benchmark, if this machine has one: on loopback, nothing saved, gone at the end."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from extraction_agent import errors

_PATIENCE = 20.0  # s for it to answer


@contextmanager
def running(folder: Path) -> Iterator[str | None]:
    """Its URL; None: there is no redis-server here, and daemons cache within themselves."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    folder.mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([program, *options], stdout=log, stderr=log)
    try:
        _wait(port, folder / "log")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(_PATIENCE)


def _wait(port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    with redis.Redis(port=port, socket_timeout=1) as client:
        while True:
            try:
                client.ping()
            except redis.RedisError:
                if time.monotonic() > deadline:
                    raise errors.ExtractionError(f"Redis does not answer: {log.read_text()[-500:]}") from None
                time.sleep(0.02)
            else:
                return
