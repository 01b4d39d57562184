"""Servers for the tutorial where there are none: an embedded PostgreSQL with a store and a table of orders.

eval "$(python tools/tutorial.py start FOLDER)"     # which it makes
python tools/tutorial.py stop FOLDER                # and the server is gone
"""

import shutil
import sys
from pathlib import Path

import psycopg

from extraction_agent.embedded import Server

_ORDERS = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric, updated_at timestamptz)",
    "INSERT INTO orders SELECT n, n % 100, now() FROM generate_series(1, 3000000) AS n",
    "ANALYZE orders",
)


def main() -> None:
    """Exit with 2 if asked otherwise."""
    match sys.argv[1:]:
        case ["start", folder] if not Path(folder).exists():
            sys.stdout.write(f"{start(Path(folder))}\n")
        case ["stop", folder] if (Path(folder) / "server").exists():
            Server(Path(folder) / "server").stop()
            shutil.rmtree(folder)
        case _:
            sys.stderr.write(f"{__doc__}\nThe folder must not be there before `start`, and be one of its at `stop`.\n")
            sys.exit(2)


def start(folder: Path) -> str:
    """The line of a shell that says where source and store are."""
    folder.mkdir(parents=True)
    server = Server(folder / "server")
    server.create()
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as postgres:
        for database in ("extraction", "shop"):
            postgres.execute(f"CREATE DATABASE {database}")
    with psycopg.connect(server.url("shop")) as shop:
        for statement in _ORDERS:
            shop.execute(statement)
    return f"export EXTRACTION_STORE={server.url('extraction')} SHOP={server.url('shop')}"


if __name__ == "__main__":
    main()
