"""Messages of a binary COPY, and a libpq that hands out those it was given."""

import ctypes
import struct
from collections.abc import Iterator
from typing import Any, cast

import pytest
from psycopg.pq.abc import PGconn

from extraction_agent import walker
from extraction_agent.walker import Block, Outcome

Field = bytes | None
CHUNK = struct.pack(">ii", 4, 7)  # a field that the store keeps beside a row's own
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_GET = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int)
_CONSUME = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_FREE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def message(row: list[Field]) -> bytes:
    return struct.pack(">H", len(row)) + b"".join(
        struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value for value in row
    )


class Server:
    """What libpq would hand out: messages, None where nothing more has come yet."""

    pgconn_ptr = 1

    def __init__(self, *messages: bytes | None) -> None:
        self._left = list(messages)
        self._lent: dict[int, Any] = {}
        self._functions = (_GET(self._get), _CONSUME(lambda _: 1), _FREE(self._free))
        self._table = walker._Libpq(*(ctypes.cast(function, ctypes.c_void_p) for function in self._functions))

    def _get(self, _: int, pointer: Any, __: int) -> int:
        if not self._left:
            return -1
        message = self._left.pop(0)
        if message is None:
            return 0
        memory = ctypes.create_string_buffer(message, len(message))
        self._lent[ctypes.addressof(memory)] = memory
        pointer[0] = ctypes.addressof(memory)
        return len(message)

    def _free(self, pointer: int | None) -> None:
        if pointer:
            del self._lent[pointer]

    def blocks(self, block: Block) -> Iterator[Block]:
        """The block, each time something is in it. Everything lent must have been given back."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(walker, "_libpq_at", ctypes.addressof(self._table))
            block.begin()
            self.outcome = Outcome.WAIT
            try:
                while self.outcome in {Outcome.FILLED, Outcome.WAIT}:
                    self.outcome = block.drain(cast("PGconn", self))
                    yield block
                    block.clear()
            finally:
                block.end()
        assert not self._lent

    def read(self, block: Block) -> tuple[bytes, Outcome]:
        """The rows' bytes, and how it ended."""
        return b"".join([bytes(filled.data) for filled in self.blocks(block)]), self.outcome
