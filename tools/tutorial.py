"""Servers for the tutorial where there are none: an embedded PostgreSQL with a store and a table of orders.

eval "$(python tools/tutorial.py start)"       # says where they are, and the folder of all, TUTORIAL
python tools/tutorial.py stop "$TUTORIAL"      # and all is gone
"""

import shutil
import sys
import tempfile
from pathlib import Path

import psycopg

from extraction_agent import errors
from extraction_agent.embedded import Server

_ORDERS = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric, updated_at timestamptz)",
    "INSERT INTO orders SELECT n, n % 100, now() FROM generate_series(1, 3000000) AS n",
    "ANALYZE orders",
)


def main() -> None:
    """Exit with 1 if the server cannot be made, with 2 if asked otherwise."""
    try:
        match sys.argv[1:]:
            case ["start"]:
                sys.stdout.write(f"{start()}\n")
            case ["stop", folder] if (Path(folder) / "server").exists():
                Server(Path(folder) / "server").stop()
                shutil.rmtree(folder)
            case _:
                sys.stderr.write(__doc__)
                sys.exit(2)
    except errors.ExtractionError as error:
        sys.exit(str(error))


def start() -> str:
    """The line of a shell that says where source and store are."""
    folder = Path(tempfile.mkdtemp(prefix="tutorial-"))
    folder.chmod(0o755)  # a server of root's runs as another
    server = Server(folder / "server")
    server.create()
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as postgres:
        for database in ("extraction", "shop"):
            postgres.execute(f"CREATE DATABASE {database}")
    with psycopg.connect(server.url("shop")) as shop:
        for statement in _ORDERS:
            shop.execute(statement)
    return f"export EXTRACTION_STORE={server.url('extraction')} SHOP={server.url('shop')} TUTORIAL={folder}"


if __name__ == "__main__":
    main()
