"""Through PgBouncer: session mode works, transaction mode is refused with the reason."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql as q

from comparison import assert_same
from extraction_agent import embedded, errors
from extraction_agent.model import Consistency, Definition, Format
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from support import Database, extract

PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed (apt-get install pgbouncer)")


@contextmanager
def pgbouncer(folder: Path, server: embedded.Server, mode: str) -> Iterator[int]:
    """A pooler in front of the server. Yields its port."""
    assert PROGRAM is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (folder / "users").write_text('"postgres" ""\n', encoding="utf-8")
    (folder / "ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {folder / 'users'}\n"
        f"pool_mode = {mode}\ndefault_pool_size = 10\n",
        encoding="utf-8",
    )
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None  # it refuses to run as root
    process = subprocess.Popen([PROGRAM, str(folder / "ini")], user=user, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres").close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("consistency", list(Consistency))
def test_session_mode(source: Database, store: Database, server: embedded.Server, consistency: Consistency) -> None:
    source.run(
        "CREATE TABLE item (id int PRIMARY KEY)", "INSERT INTO item SELECT generate_series(1, 500)", "ANALYZE item"
    )
    with embedded.folder() as folder, pgbouncer(folder, server, "session") as port:
        pooled = source.url.replace(f":{server.port}/", f":{port}/")
        assert pooled != source.url
        number = extract(pooled, store, Definition(table="item", chunk_rows=100, consistency=consistency))
    assert assert_same(source, store, q.Identifier("item"), ["id"], number, Format.JSON) == 500


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_other_modes_are_refused(source: Database, store: Database, server: embedded.Server, mode: str) -> None:
    source.run("CREATE TABLE item (id int PRIMARY KEY)")
    with embedded.folder() as folder, pgbouncer(folder, server, mode) as port:
        pooled = source.url.replace(f":{server.port}/", f":{port}/")
        with pytest.raises(errors.UsageError, match=r"a pooler in .* mode.*pool_mode=session"):
            extract(pooled, store, Definition(table="item"))
        with pytest.raises(errors.UsageError, match="a pooler"):
            open_source(pooled).session(None)
    assert store.value("SELECT count(*) FROM extractions") == 0


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_store_in_other_modes_is_refused(store: Database, server: embedded.Server, mode: str) -> None:
    with embedded.folder() as folder, pgbouncer(folder, server, mode) as port:
        pooled = store.url.replace(f":{server.port}/", f":{port}/")
        with pytest.raises(errors.UsageError, match=r"^store .* a pooler in .* mode.*pool_mode=session"):
            Store(pooled)
        with pytest.raises(errors.UsageError, match="a pooler"):
            Store(pooled, check=False)


def test_a_store_in_session_mode(source: Database, store: Database, server: embedded.Server) -> None:
    source.run("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 500) AS n", "ANALYZE item")
    with embedded.folder() as folder, pgbouncer(folder, server, "session") as port:
        pooled = Database(store.url.replace(f":{server.port}/", f":{port}/"))
        number = extract(source.url, pooled, Definition(table="item", chunk_rows=100))
    assert assert_same(source, store, q.Identifier("item"), ["id"], number, Format.JSON) == 500
