"""Writers that change a table while it is extracted, and hold their transactions open as real ones do."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

_WRITERS = 4
_LONGEST_HOLD = 1.5  # s


@contextmanager
def writing(url: str) -> Iterator[None]:
    """Update rows of `departures` until the block ends."""
    stop = threading.Event()
    threads = [threading.Thread(target=_write, args=(url, number, stop)) for number in range(_WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _write(url: str, number: int, stop: threading.Event) -> None:
    choose = random.Random(number)  # noqa: S311 - not for secrets
    with psycopg.connect(url) as connection:
        while not stop.is_set():
            low = choose.randrange(30_000)  # each writer has rows of its own, so that none waits for another
            connection.execute(
                "UPDATE departures SET dep_delay = dep_delay + 1, updated_at = clock_timestamp() "
                "WHERE id BETWEEN %s AND %s AND id %% %s = %s",
                [low, low + 400, _WRITERS, number],
            )
            stop.wait(choose.uniform(0, _LONGEST_HOLD))  # committed long after the rows were stamped
            connection.commit()
