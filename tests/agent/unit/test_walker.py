"""The compiled loop over rows, against Python's own arithmetic and the reference implementation of its digest."""

import struct
from array import array
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh64_intdigest

from extraction_agent import walker
from extraction_agent.walker import BLOCK_BYTES, Block, Outcome
from messages import CHUNK, HEADER, TRAILER, Field, Server, message

EXTRACTION = struct.pack(">iq", 8, -1)

ROWS = st.lists(st.lists(st.none() | st.binary(max_size=300), max_size=5), max_size=50)


def digest(row: list[Field]) -> int:
    return xxh64_intdigest(message(row)[2:])


def drawn(size: int) -> list[list[Field]]:
    return [[b"%d" % number, b"x" * (number % 200)] for number in range(size)]


@given(ROWS)
def test_each_row_gets_its_prefix_and_its_digest(rows: list[list[Field]]) -> None:
    sent, total = b"", 0
    digests: list[int] = []
    halves: list[int] = []
    for block in Block((CHUNK, EXTRACTION)).batches(map(message, rows)):
        sent += b"".join(block.messages())
        assert len(sent) >= block.used == len(block.data)
        digests += block.digests
        halves += block.halves
        total += block.sum
    own = [struct.pack(">H", len(row) + 2) + CHUNK + EXTRACTION + message(row)[2:] for row in rows]
    assert sent == b"".join(own)
    assert digests == list(map(digest, rows))
    assert halves == [value % 2**32 for value in digests]
    assert total % 2**64 == sum(digests) % 2**64


@given(ROWS)
def test_a_stored_row_has_the_digest_it_was_sent_with(rows: list[list[Field]]) -> None:
    place = struct.pack(">i", 6) + bytes(6)
    stored = [struct.pack(">H", len(row) + 2) + CHUNK + message(row)[2:] + place for row in rows]
    reading = Block(skip=len(CHUNK), tail=len(place))
    assert [value for block in reading.batches(stored) for value in block.digests] == list(map(digest, rows))


def test_a_row_shorter_than_what_is_left_out_of_digests_is_no_accident() -> None:
    reading = Block(skip=100, tail=100)
    assert [value for block in reading.batches([message([b"short"])]) for value in block.digests] == [
        xxh64_intdigest(b"")
    ]


def test_every_length_of_a_row_is_digested_as_the_reference_does() -> None:
    noise = bytes(range(256)) * 9
    rows: list[list[Field]] = [[noise[:size]] for size in range(2100)]
    assert [value for block in Block().batches(map(message, rows)) for value in block.digests] == list(
        map(digest, rows)
    )


def test_blocks_are_bounded_and_a_long_row_passes_between_short_ones() -> None:
    rows: list[list[Field]] = [*drawn(30_000), [b"y" * 5_000_000], *drawn(10)]
    block = Block((CHUNK,))
    sizes: list[int] = []
    digests: list[int] = []
    for filled in block.batches(map(message, rows)):
        sizes.append(filled.used)
        digests += filled.digests
    assert digests == list(map(digest, rows))
    assert sum(size > 4 * BLOCK_BYTES for size in sizes) == 1
    held = block._capacity
    block.end()
    assert held > 5_000_000 > block._capacity  # what the long row took is given back


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_sort(values: list[int]) -> None:
    digests = array("Q", values)
    walker.sort(digests)
    assert list(digests) == sorted(values)


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_each_digest_taken_drops_one_row(before: list[int], now: list[int]) -> None:
    taken = array("Q", [digest([b"%d" % value]) for value in before])
    walker.sort(taken)
    met = array("B", bytes(len(taken)))
    left: list[bytes] = []
    for block in Block((CHUNK,)).batches([message([b"%d" % value]) for value in now]):
        block.sift(taken, met)
        rows = [bytes(row) for row in block.messages()]
        left += rows
        assert b"".join(rows) == block.data
        assert list(block.digests) == [xxh64_intdigest(row[2 + len(CHUNK) :]) for row in rows]
        assert list(block.halves) == [value % 2**32 for value in block.digests]
        assert block.sum == sum(block.digests) % 2**64
    values = Counter(int(row[2 + len(CHUNK) + 4 :]) for row in left)
    assert values == Counter(now) - Counter(before)


def test_a_stream_of_libpq() -> None:
    long = message([b"z" * 1_000_000])
    rows = [message(row) for row in drawn(3000)]
    sent = [HEADER + rows[0], None, None, *rows[1:], None, None, long, *rows, TRAILER]
    got, outcome = Server(*sent).read(Block())
    assert outcome is Outcome.ENDED
    assert got == b"".join([*rows, long, *rows])


@pytest.mark.parametrize("messages", [(HEADER + TRAILER,), (HEADER, TRAILER), (HEADER, None, None, TRAILER), ()])
def test_a_stream_without_rows(messages: tuple[bytes | None, ...]) -> None:
    assert Server(*messages).read(Block()) == (b"", Outcome.ENDED)


@pytest.mark.parametrize(
    "first",
    [
        b"1\tone\n",
        HEADER[:15],
        HEADER[:11] + b"\0\1\0\0" + bytes(4) + TRAILER,  # flags
        HEADER[:15] + b"\0\0\0\4" + bytes(4) + TRAILER,  # an extension
        HEADER + b"\0",
        HEADER + b"\xff\xfe",
    ],
)
def test_what_is_no_binary_copy_is_told(first: bytes) -> None:
    assert Server(first, TRAILER).read(Block((CHUNK,))) == (b"", Outcome.MALFORMED)


def test_many_rows_alike_are_sifted_too() -> None:
    times = 200_000
    row: list[Field] = [b"alike"]
    taken = array("Q", [digest(row)]) * times
    met = array("B", bytes(times))
    left = 0
    for block in Block().batches([message(row)] * (times + 3)):
        block.sift(taken, met)
        left += block.rows
    assert left == 3
