"""A table of MariaDB's into a store, beside tools that people know.

.venv/bin/python -m benchmarks.from_mariadb [--rows 1000000] [--rounds 5]

Two servers of this machine (Debian: apt-get install mariadb-server-core), each contestant once a round, in turns. Times
are from process start to exit. After each run the servers count the rows, and add up some of their columns.
"""

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks import mariadb_server, usage
from benchmarks.contestants import python_peers
from benchmarks.contestants.ours import EXTRACTCTL, prepare_store
from benchmarks.mariadb_server import MariaDB
from extraction_agent import embedded

_SETTINGS = {"max_wal_size": "'8GB'", "checkpoint_timeout": "'15min'", "shared_buffers": "'1GB'", "timezone": "'UTC'"}
_TABLE = """
CREATE TABLE item (
    id bigint PRIMARY KEY, account int NOT NULL, name varchar(60), city varchar(40), amount decimal(12, 2),
    created_at datetime(6), note varchar(200), active tinyint, score double, day date
)
"""
_FILL = """
INSERT INTO item
SELECT seq, seq % 9973, concat('customer ', seq), elt(1 + seq % 5, 'Köln', 'Lyon', 'Ōsaka', 'Łódź', 'Quito'),
       seq % 1000003 / 100, timestamp('2020-01-01') + interval seq * 1.37 second,
       if(seq % 3 > 0, concat('note ', md5(seq)), NULL), seq % 7 = 0, sqrt(seq),
       date('2000-01-01') + interval seq % 9000 day
FROM seq_1_to_{rows}
"""
_SUMS = "SELECT count(*), sum(id), sum(amount), count(note), sum(char_length(name)) FROM item"
_SUMS_THERE = "SELECT count(*), sum(id::bigint), sum(amount::numeric), count(note), sum(length(name)) FROM {relation}"
_OF_JSON = (
    "(SELECT data ->> 'id' AS id, data ->> 'amount' AS amount, data ->> 'note' AS note, data ->> 'name' AS name"
    " FROM extraction_data) AS record"
)


@dataclass(frozen=True, slots=True)
class Contestant:
    """command: with {source}, {target} and {folder} to be filled in. arrived: the relation it has made."""

    name: str
    command: tuple[str, ...]
    arrived: str
    ours: bool = False


def contestants() -> list[Contestant]:
    peers = python_peers.VENV
    sling = peers / "lib" / f"python3.{sys.version_info.minor}" / "site-packages" / "sling_linux_amd64" / "bin"
    extract = (EXTRACTCTL, "extract", "{source}", "--table", "item", "--store", "{target}", "--json", "--format")
    script = str(Path(__file__).parent / "peers" / "dlt_copy.py")
    return [
        Contestant("ours, typed", (*extract, "typed"), "extraction_typed.item", ours=True),
        Contestant("ours, json", (*extract, "json"), _OF_JSON, ours=True),
        Contestant(
            "Sling",
            ("env", "SOURCE={source}", "TARGET={target}?sslmode=disable", "SLING_HOME_DIR={folder}/sling",
             str(sling / "sling-linux-amd64"), "run", "--src-conn", "SOURCE", "--src-stream", "shop.item", "--tgt-conn",
             "TARGET", "--tgt-object", "public.item", "--mode", "full-refresh"),
            "item",
        ),
        Contestant(
            "dlt, connectorx", (str(peers / "bin" / "python"), script, "{source}", "{target}"), "bench.item"
        ),
    ]  # fmt: skip


def fill(server: MariaDB, rows: int) -> MariaDB:
    server.run("CREATE DATABASE shop CHARACTER SET utf8mb4")
    shop = MariaDB(server.host, server.port, "shop")
    shop.run(_TABLE, _FILL.format(rows=rows), "ANALYZE TABLE item")
    return shop


def once(contestant: Contestant, shop: MariaDB, store: embedded.Server, folder: Path) -> usage.Usage:
    """One run into a new database. Raises RuntimeError if other rows arrive, usage.Failed."""
    with psycopg.connect(store.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS target WITH (FORCE)")
        connection.execute("CREATE DATABASE target")
    target = store.url("target")
    if contestant.ours:
        prepare_store(target)
    with psycopg.connect(store.url(), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    time.sleep(1)
    words = {"source": shop.url, "target": target, "folder": folder}
    used = usage.run([[part.format(**words) for part in contestant.command]])
    with psycopg.connect(target) as connection:
        arrived = connection.execute(_SUMS_THERE.format(relation=contestant.arrived)).fetchone()
    if arrived != shop.rows(_SUMS)[0]:
        raise RuntimeError(f"{contestant.name}: {arrived} arrived instead of {shop.rows(_SUMS)[0]}")
    return used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if reason := python_peers.install():
        sys.exit(reason)
    field = contestants()
    runs: dict[str, list[usage.Usage]] = {one.name: [] for one in field}
    with (
        embedded.folder() as folder,
        mariadb_server.running(folder / "mariadb", "1G") as server,
        embedded.Server(folder / "store", _SETTINGS) as store,
    ):
        if server is None:
            sys.exit("There is no MariaDB here. Debian: apt-get install mariadb-server-core")
        shop = fill(server, options.rows)
        for turn in range(options.rounds):
            for at in range(len(field)):
                contestant = field[(at + turn) % len(field)]
                runs[contestant.name].append(once(contestant, shop, store, folder))
    print(f"{options.rows:,} rows, {options.rounds} rounds\n")
    print(
        "| | s, median (least to most) | rows/s | ours, typed, is faster by | peak RSS MiB | CPU s of its processes |"
    )
    print("|---|--:|--:|--:|--:|--:|")
    ours = runs[field[0].name]
    for name, used in runs.items():
        seconds = sorted(one.seconds for one in used)
        median = statistics.median(seconds)
        ratio = statistics.median(there.seconds / here.seconds for there, here in zip(used, ours, strict=True))
        rss, cpu = max(one.peak_rss for one in used) / 2**20, statistics.median(one.cpu_seconds for one in used)
        print(
            f"| {name} | {median:.2f} ({seconds[0]:.2f} to {seconds[-1]:.2f}) | {options.rows / median:,.0f} "
            f"| {'' if used is ours else f'{ratio:.1f} ×'} | {rss:.0f} | {cpu:.1f} |"
        )


if __name__ == "__main__":
    main()
