"""A table whose rows do not lie in the order of its key: by ranges of the key, and by blocks (`--key ctid`).

.venv/bin/python -m benchmarks.scattered_key [--rows 5000000] [--rounds 5]

Two servers of this machine, rounds of both in turn; medians of seconds, process start to exit, and of the source's CPU.
"""

import argparse
import json
import statistics
import subprocess
import time

import psycopg
from psycopg import sql as q

from benchmarks import usage
from benchmarks.contestants.ours import EXTRACTCTL
from extraction_agent import embedded

_SETTLE = 0.5  # s until the servers have counted their ended backends
_WAYS: dict[str, tuple[str, ...]] = {"ranges of the key": (), "blocks: --key ctid": ("--key", "ctid")}
_TABLE = """
CREATE TABLE item AS
SELECT md5(n::text)::uuid AS id, n AS number, 'customer ' || n AS name, md5((n * 7)::text) AS note, n * 1.25 AS amount
FROM generate_series(1, {rows}) AS n
"""


def fill(source: embedded.Server, rows: int) -> None:
    with psycopg.connect(source.url(), autocommit=True) as connection:
        connection.execute(q.SQL(_TABLE).format(rows=q.Literal(rows)))
        connection.execute("ALTER TABLE item ADD PRIMARY KEY (id)")
        connection.execute("VACUUM (FREEZE, ANALYZE) item")
        connection.execute("CHECKPOINT")


def once(source: embedded.Server, store: embedded.Server, rows: int, options: tuple[str, ...]) -> tuple[float, float]:
    """Seconds of one extraction into a new store, and the source's CPU seconds."""
    with psycopg.connect(store.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS target")
        connection.execute("CREATE DATABASE target")
    url = store.url("target")
    subprocess.run([EXTRACTCTL, "store", "init", "--store", url], check=True, capture_output=True)
    assert source.pid is not None
    before, begun = usage.cpu_seconds(source.pid), time.monotonic()
    command = [EXTRACTCTL, "extract", source.url(), "--table", "item", "--store", url, "--json", *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.monotonic() - begun
    assert json.loads(done.stdout)["rows"] == rows
    time.sleep(_SETTLE)
    return seconds, usage.cpu_seconds(source.pid) - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    settings = {"max_wal_size": "'8GB'", "checkpoint_timeout": "'15min'", "shared_buffers": "'1GB'"}
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in _WAYS}
    with (
        embedded.folder() as folder,
        embedded.Server(folder / "source", settings) as source,
        embedded.Server(folder / "store", settings) as store,
    ):
        fill(source, options.rows)
        for turn in range(options.rounds):
            for way in list(_WAYS)[:: 1 if turn % 2 else -1]:
                found[way].append(once(source, store, options.rows, _WAYS[way]))
    print(f"{options.rows:,} rows, {options.rounds} rounds\n")
    print("| | s, median (least to most) | CPU s of the source |\n|---|--:|--:|")
    for way, runs in found.items():
        seconds = sorted(second for second, _ in runs)
        cpu = statistics.median(cpu for _, cpu in runs)
        print(f"| {way} | {statistics.median(seconds):.2f} ({seconds[0]:.2f} to {seconds[-1]:.2f}) | {cpu:.1f} |")


if __name__ == "__main__":
    main()
