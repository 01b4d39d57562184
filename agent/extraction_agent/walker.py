"""Rows in blocks, as walker.zig fills them: the one place where something is done for each row.

The library beside this file is compiled when the package is built (hatch_build.py).
"""

import ctypes
import json
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from pathlib import Path

from psycopg import pq
from psycopg.pq.abc import PGconn

from extraction_agent import errors

BLOCK_BYTES = 64 * 1024  # measured against 16, 256 and 1024 KiB: docs/benchmarks.md
_ROOM_BYTES = 2 * BLOCK_BYTES
_MOST_ROWS = 8192  # of a block


class Kind(IntEnum):
    """The type of a field at the store, as far as it decides how its bytes are written."""

    JSON = 0
    JSONB = 1
    NUMBER = 2  # a number's text, which may be NaN or an infinity
    STRING = 3
    BOOLEAN = 4
    INT2 = 5
    INT4 = 6
    INT8 = 7
    FLOAT4 = 8
    FLOAT8 = 9
    NUMERIC = 10
    UUID = 11
    BYTEA = 12
    DATE = 13
    TIMESTAMP = 14
    TIMESTAMPTZ = 15
    INTERVAL = 16
    OTHER = 17  # a row that has one is left to Python


class Outcome(IntEnum):
    """Why a block was filled no further."""

    FILLED = 0
    WAIT = 1  # nothing more has come yet
    ENDED = 2  # all was taken; or what comes is for Python to look at
    FAILED = 3  # the connection's result tells why
    MALFORMED = 4  # not a binary COPY, or not of the fields that were asked for
    TOO_LONG = 5  # a row has more bytes than PostgreSQL stores


class TooLong(errors.SourceError):
    """A row that no store can take."""

    def __init__(self) -> None:
        super().__init__(
            "A row is longer than 1 GB, as it would be stored, and PostgreSQL stores none like it. Leave its longest "
            "column out with --exclude."
        )


class _Libpq(ctypes.Structure):
    """Functions of the libpq that psycopg uses."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("get_copy_data", "consume_input", "free"))

    @classmethod
    def of_the_driver(cls) -> "_Libpq":
        """A library is searched together with its dependencies, so wherever the driver's wheel has put its libpq."""
        if pq.__impl__ == "python":
            raise ImportError("psycopg's pure Python is of no use here: unset PSYCOPG_IMPL, or install psycopg[binary]")
        driver = ctypes.CDLL(sys.modules[pq.PGconn.__module__].__file__)
        names = ("PQgetCopyData", "PQconsumeInput", "PQfreemem")
        return cls(*(ctypes.cast(getattr(driver, name), ctypes.c_void_p) for name in names))


_libpq = _Libpq.of_the_driver()
_libpq_at = ctypes.addressof(_libpq)


class _Field(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("name_bytes", ctypes.c_size_t), ("kind", ctypes.c_uint8))


class Block(ctypes.Structure):
    """Rows one after another as messages of PostgreSQL's binary COPY, with a digest of each; filled again and again.

    A digest is the xxh64 of a row's own fields as they are in its message: without the count of fields and what the
    store keeps besides.
    """

    _fields_ = (
        ("_data", ctypes.c_void_p),
        ("_capacity", ctypes.c_size_t),
        ("used", ctypes.c_size_t),  # bytes
        ("_digests", ctypes.c_void_p),
        ("_halves", ctypes.c_void_p),
        ("_ends", ctypes.c_void_p),
        ("_most_rows", ctypes.c_size_t),
        ("rows", ctypes.c_size_t),
        ("sum", ctypes.c_uint64),  # of the digests, modulo 2^64
        ("_prefix", ctypes.c_char_p),
        ("_prefix_bytes", ctypes.c_size_t),
        ("_prefix_fields", ctypes.c_uint16),
        ("_begun", ctypes.c_bool),
        ("_skip", ctypes.c_size_t),
        ("_tail", ctypes.c_size_t),
        ("longest", ctypes.c_size_t),  # bytes of the longest row so far
        ("_waiting", ctypes.c_void_p),
        ("_waiting_bytes", ctypes.c_size_t),
        ("_waiting_from", ctypes.c_size_t),
        ("_shape", ctypes.c_void_p),
        ("_shape_fields", ctypes.c_size_t),
        ("_objects_made", ctypes.c_bool),
        ("_needed", ctypes.c_size_t),
    )

    def __init__(self, prefix: tuple[bytes, ...] = (), skip: int = 0, tail: int = 0) -> None:
        """prefix: fields to put before each row's own. skip, tail: bytes of stored fields before and after those."""
        super().__init__(_most_rows=_MOST_ROWS, _skip=skip, _tail=tail)
        fields = b"".join(prefix)
        self._prefix, self._prefix_bytes, self._prefix_fields = fields, len(fields), len(prefix)
        self._words = array("Q", bytes(8 * _MOST_ROWS))
        self._kept, self._edges = (array("I", bytes(4 * _MOST_ROWS)) for _ in range(2))
        self._digests, self._halves, self._ends = (
            memory.buffer_info()[0] for memory in (self._words, self._kept, self._edges)
        )
        self._make_room(_ROOM_BYTES)
        self._at = ctypes.addressof(self)
        self.in_window = True  # of an overlapping run, for a chunk that has one

    def expect(self, fields: Sequence[tuple[str, Kind]], *, objects: bool) -> None:
        """Make messages of fields like these, name and kind of each; or one JSON value of them all, as row_to_json."""
        shape = (_Field * len(fields))()
        for at, (place, (name, kind)) in enumerate(zip(shape, fields, strict=True)):
            written = f"{',' if at else ''}{json.dumps(name, ensure_ascii=False)}:".encode()
            place.name, place.name_bytes, place.kind = written, len(written), kind
        self._fields_kept = shape
        self._shape, self._shape_fields, self._objects_made = ctypes.addressof(shape), len(fields), objects

    @property
    def data(self) -> memoryview:
        """The rows' messages, until the block is filled again."""
        return self._room[: self.used]

    @property
    def digests(self) -> "array[int]":
        return self._words[: self.rows]

    @property
    def halves(self) -> "array[int]":
        """The half of each row's digest that is kept."""
        return self._kept[: self.rows]

    def messages(self) -> Iterator[memoryview]:
        """Each row, until the block is filled again."""
        start = 0
        for end in self._edges[: self.rows]:
            yield self._room[start:end]
            start = end

    def drain(self, connection: PGconn) -> Outcome:
        """Add what a COPY TO STDOUT has sent, up to some BLOCK_BYTES or one longer row. Never waits. Raises TooLong."""
        pointer = connection.pgconn_ptr  # type: ignore[attr-defined] # public in every implementation but the protocol
        return self._filled(lambda: _library.drain(self._at, pointer, _libpq_at, BLOCK_BYTES))

    def _filled(self, fill: Callable[[], int]) -> Outcome:
        """Make room for a row that finds none although no other is there. Raises TooLong."""
        while (outcome := Outcome(fill())) is Outcome.FILLED and not self.rows:
            self._make_room(self._needed)
        if outcome is Outcome.TOO_LONG:
            raise TooLong
        return outcome

    def begin(self) -> None:
        """Expect a new stream."""
        self._begun = False
        self.longest = 0
        self.clear()

    def clear(self) -> None:
        """Forget the rows, to be filled again."""
        self.used = self.rows = self.sum = 0

    def end(self) -> None:
        """Give back what a long row has taken, and one that found no room."""
        _library.release(self._at, _libpq_at)
        if self._capacity > _ROOM_BYTES:
            self._make_room(_ROOM_BYTES)

    def batches(self, messages: Iterable[bytes]) -> Iterator["Block"]:
        """Yield the block for every some BLOCK_BYTES of messages that a source has encoded itself."""
        batch: list[bytes] = []
        size = 0
        for message in messages:
            batch.append(message)
            size += len(message)
            if size > BLOCK_BYTES or len(batch) == _MOST_ROWS:
                yield self._take(batch, size)
                batch.clear()
                size = 0
        if batch:
            yield self._take(batch, size)

    def _take(self, batch: list[bytes], size: int) -> "Block":
        needed = size + len(batch) * self._prefix_bytes
        if len(batch) > 1 and needed > self._capacity:
            self._make_room(needed)
        self.clear()
        if not self.append(b"".join(batch)):
            raise AssertionError("room was made for these rows")
        return self

    def append(self, messages: bytes) -> bool:
        """Add rows that a source has encoded itself. False: no room beside those that are there. Raises TooLong."""
        return self._filled(lambda: _library.take(self._at, messages, len(messages))) is Outcome.ENDED

    def take_packets(self, data: bytes, at: int) -> tuple[Outcome, int]:
        """Add rows of MySQL's protocol from there on. Returns why it ends, and where.

        FILLED: there are enough. WAIT: the next packet has not all come. ENDED: it is no row, or one to be encoded in
        Python.
        """
        place = ctypes.c_size_t(at)
        outcome = self._filled(
            lambda: _library.take_packets(self._at, data, len(data), ctypes.byref(place), BLOCK_BYTES)
        )
        return outcome, place.value

    def sift(self, taken: "array[int]", met: "array[int]") -> None:
        """Drop the rows whose digests are among those taken, sorted. Each drops one row; met has a byte for each."""
        _library.sift(self._at, taken.buffer_info()[0], met.buffer_info()[0], len(taken))

    def _make_room(self, size: int) -> None:
        self._memory = bytearray(size)
        self._room = memoryview(self._memory)
        self._data = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._capacity = size


def sort(digests: "array[int]") -> None:
    """Sort in place."""
    _library.sort(digests.buffer_info()[0], len(digests))


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL(str(Path(__file__).with_name("libwalker.so")))
    if not hasattr(library, "layout") or library.layout() != ctypes.sizeof(Block) * 256 + len(Kind):
        raise ImportError("libwalker.so was compiled from other sources: run make, or install the package again")
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.drain.argtypes, library.drain.restype = (pointer, pointer, pointer, size), ctypes.c_int
    library.take.argtypes, library.take.restype = (pointer, ctypes.c_char_p, size), ctypes.c_int
    library.take_packets.argtypes = (pointer, ctypes.c_char_p, size, pointer, size)
    library.take_packets.restype = ctypes.c_int
    library.release.argtypes, library.release.restype = (pointer, pointer), None
    library.sift.argtypes, library.sift.restype = (pointer, pointer, pointer, size), None
    library.sort.argtypes, library.sort.restype = (pointer, size), None
    return library


_library = _load()
