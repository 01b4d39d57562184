"""Writers whose transactions commit late, and the oracle that judges who polled beside them.

Every write gives its row a version no other write has, and a writer notes what it wrote once its commit came back. So
the oracle needs nothing of the program it judges.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql as q

from extraction_agent.model import Definition
from support import Database, extract

Write = tuple[int, int]  # id, version
Connection = psycopg.Connection[tuple[Any, ...]]

_HOT_ROW = 0
_FIRST_ROWS = 4000


@dataclass(frozen=True, slots=True)
class Size:
    """How hard and how long."""

    seconds: float
    hold: float  # s; a transaction stays open for up to this long
    bulk: int  # rows at most of a bulk write
    writes: int = 0  # go on until there are so many
    writers: int = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a poller got wrong."""

    lost: int
    repeated: int
    uncommitted: int


class Storm:
    """Writers on a table `item(id, version, changed_at)` of `source`, for as long as its size says."""

    def __init__(self, source: Database, elsewhere: Database, size: Size) -> None:
        self.source, self.elsewhere, self.size = source, elsewhere, size
        self.committed: set[Write] = set()
        self.kinds: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._end = 0.0
        source.run(
            "CREATE TABLE item (id bigint PRIMARY KEY, version bigint NOT NULL, changed_at timestamptz NOT NULL)",
            "CREATE INDEX ON item (changed_at)",
            "CREATE SEQUENCE version",
            "CREATE SEQUENCE id START 100000",
        )
        elsewhere.run("CREATE TABLE other (n int)")
        with self._connect(source) as connection:
            self._note(_insert(connection, range(_FIRST_ROWS)))

    @property
    def blowing(self) -> bool:
        return time.monotonic() < self._end or len(self.committed) < self.size.writes

    def run(self, *pollers: Callable[[], None]) -> None:
        """Write, and call each poller again and again beside it, and twice more when all is committed."""
        self._end = time.monotonic() + self.size.seconds
        still = threading.Event()

        def poll(poller: Callable[[], None]) -> None:
            while not still.wait(0.2):
                poller()

        with ThreadPoolExecutor(self.size.writers + 1 + len(pollers)) as pool:
            writing = [pool.submit(self._write, number) for number in range(self.size.writers)]
            writing.append(pool.submit(self._write_elsewhere))
            polling = [pool.submit(poll, poller) for poller in pollers]
            try:
                for writer in writing:
                    writer.result()
            finally:
                still.set()
            for poll_ in polling:
                poll_.result()
        for poller in pollers:
            poller()
            poller()

    def judge(self, taken: list[Write]) -> Verdict:
        final = self.source.rows("SELECT id, version FROM item")
        counts = Counter(taken)
        return Verdict(
            lost=sum(counts[write] == 0 for write in final),
            repeated=sum(count - 1 for count in counts.values()),
            uncommitted=sum(write not in self.committed for write in counts),
        )

    def _write(self, number: int) -> None:
        chance = random.Random(number)
        kinds = [self._short, self._held, self._bulk, self._undone, self._savepoints, self._prepared, self._hot]
        with self._connect(self.source) as connection:
            while self.blowing:
                kind = chance.choices(kinds, weights=[6, 4, 1, 2, 3, 2, 6])[0]
                kind(connection, chance, number)
                with self._lock:
                    self.kinds[kind.__name__] += 1

    def _write_elsewhere(self) -> None:
        """Transactions of another database: they hold back the oldest number a snapshot knows."""
        with self._connect(self.elsewhere) as connection:
            while self.blowing:
                connection.execute("BEGIN")
                connection.execute("INSERT INTO other VALUES (1)")
                self._hold(self.size.seconds / 3)
                connection.execute("COMMIT")

    def _short(self, connection: Connection, chance: random.Random, number: int) -> None:
        with connection.transaction():
            writes = self._some(connection, chance, number, 3)
        self._note(writes)

    def _held(self, connection: Connection, chance: random.Random, number: int) -> None:
        with connection.transaction():
            writes = self._some(connection, chance, number, 3)
            self._hold(chance.uniform(0, self.size.hold))
            writes += self._some(connection, chance, number, 3)
        self._note(writes)

    def _bulk(self, connection: Connection, chance: random.Random, _number: int) -> None:
        with connection.transaction():
            writes = _insert(connection, None, chance.randint(1, self.size.bulk))
            self._hold(chance.uniform(0, self.size.hold))
        self._note(writes)

    def _undone(self, connection: Connection, chance: random.Random, number: int) -> None:
        with connection.transaction():
            self._some(connection, chance, number, 20)
            self._hold(chance.uniform(0, self.size.hold / 2))
            raise psycopg.Rollback

    def _savepoints(self, connection: Connection, chance: random.Random, number: int) -> None:
        with connection.transaction():
            writes = self._some(connection, chance, number, 3)
            with connection.transaction():
                writes += self._some(connection, chance, number, 3)
                self._hold(chance.uniform(0, self.size.hold))
            with connection.transaction():
                _insert(connection, None, 5)
                raise psycopg.Rollback
            with connection.transaction():
                writes += _insert(connection, None, 5)
        self._note(writes)

    def _prepared(self, connection: Connection, chance: random.Random, number: int) -> None:
        gid = q.Literal(f"{number}-{time.monotonic_ns()}")
        connection.execute("BEGIN")
        writes = self._some(connection, chance, number, 3)
        self._hold(chance.uniform(0, self.size.hold / 2))
        connection.execute(q.SQL("PREPARE TRANSACTION {}").format(gid))
        self._hold(chance.uniform(0, self.size.hold / 2))
        if chance.random() < 0.2:
            connection.execute(q.SQL("ROLLBACK PREPARED {}").format(gid))
        else:
            connection.execute(q.SQL("COMMIT PREPARED {}").format(gid))
            self._note(writes)

    def _hot(self, connection: Connection, chance: random.Random, _number: int) -> None:
        with connection.transaction():
            writes = _insert(connection, None, 1)
            self._hold(chance.uniform(0, self.size.hold / 20))
            writes += _update(connection, [_HOT_ROW])
        self._note(writes)

    def _some(self, connection: Connection, chance: random.Random, number: int, most: int) -> list[Write]:
        """Change rows that are this writer's alone, so that writers never wait in a circle, and add some."""
        mine = [1 + chance.randrange((_FIRST_ROWS - 1) // 8) * 8 + number for _ in range(chance.randint(1, most))]
        later = {write[0]: write for write in _update(connection, sorted(set(mine)))}
        return [*later.values(), *_insert(connection, None, chance.randint(0, most))]

    def _hold(self, seconds: float) -> None:
        time.sleep(seconds)

    def _note(self, writes: list[Write]) -> None:
        """A row written twice in one transaction is seen only as it was last."""
        with self._lock:
            self.committed.update({row: (row, version) for row, version in writes}.values())

    @staticmethod
    @contextmanager
    def _connect(database: Database) -> Iterator[Connection]:
        with psycopg.connect(database.url, autocommit=True) as connection:
            yield connection


def _insert(connection: Connection, ids: range | None, count: int = 0) -> list[Write]:
    if ids is None:
        query = "INSERT INTO item SELECT nextval('id'), nextval('version'), now() FROM generate_series(1, %s) "
        return _writes(connection.execute(query + "RETURNING id, version", [count]))
    query = "INSERT INTO item SELECT n, nextval('version'), now() FROM unnest(%s::bigint[]) AS n "
    return _writes(connection.execute(query + "RETURNING id, version", [list(ids)]))


def _update(connection: Connection, ids: list[int]) -> list[Write]:
    query = "UPDATE item SET version = nextval('version'), changed_at = now() WHERE id = ANY (%s) RETURNING id, version"
    return _writes(connection.execute(query, [ids]))


def _writes(cursor: psycopg.Cursor[tuple[Any, ...]]) -> list[Write]:
    return [(row[0], row[1]) for row in cursor]


class Poller:
    """Incremental extractions of one config, again and again."""

    def __init__(self, url: str, store: Database, definition: Definition, name: str) -> None:
        self._url, self._store, self._definition, self._name = url, store, definition, name
        self.runs: list[int] = []

    def __call__(self) -> None:
        self.runs.append(extract(self._url, self._store, self._definition, self._name))

    @property
    def taken(self) -> list[Write]:
        query = "SELECT (data->>'id')::bigint, (data->>'version')::bigint FROM extraction_data "
        return [
            (row[0], row[1])
            for row in self._store.rows(query + "WHERE extraction_id = ANY (%(runs)s)", {"runs": self.runs})
        ]

    @property
    def notes(self) -> list[list[str]]:
        return [
            row[0]
            for row in self._store.rows(
                "SELECT notes FROM extractions WHERE id = ANY (%(runs)s) ORDER BY id", {"runs": self.runs}
            )
        ]

    @property
    def useful_runs(self) -> int:
        """Runs that took rows."""
        query = "SELECT count(DISTINCT extraction_id) FROM extraction_data WHERE extraction_id = ANY (%(runs)s)"
        return int(self._store.value(query, {"runs": self.runs}))


class Cursor:
    """The usual way: everything stamped after the newest stamp so far."""

    def __init__(self, source: Database) -> None:
        self._source = source
        self._last: Any = None
        self.taken: list[Write] = []

    def __call__(self) -> None:
        rows = self._source.rows(
            "SELECT id, version, changed_at FROM item WHERE %(last)s::timestamptz IS NULL OR changed_at > %(last)s",
            {"last": self._last},
        )
        if rows:
            self._last = max(row[2] for row in rows)
        self.taken += [(row[0], row[1]) for row in rows]
