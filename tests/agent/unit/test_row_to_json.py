"""JSON made of rows in binary; that it is what a server's own row_to_json makes is told by tests beside a server."""

import json
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh64_intdigest

from extraction_agent.walker import Block, Kind, Outcome, TooLong
from messages import CHUNK, HEADER, TRAILER, Field, Server, message

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def objects(fields: Sequence[tuple[str, Kind]], rows: list[list[Field]]) -> list[bytes]:
    """What is stored of each row, without the chunk's field before it."""
    block = Block((CHUNK,))
    block.expect(fields, objects=True)
    found = []
    sent = Server(HEADER, *map(message, rows), TRAILER)
    for filled in sent.blocks(block):
        stored = [bytes(row).removeprefix(struct.pack(">H", 2) + CHUNK) for row in filled.messages()]
        assert list(filled.digests) == [xxh64_intdigest(row) for row in stored]
        assert all(struct.unpack(">i", row[:4]) == (len(row) - 4,) for row in stored)
        found += [row[4:] for row in stored]
    assert sent.outcome is Outcome.ENDED
    return found


@given(st.lists(TEXT, min_size=1, max_size=5), st.lists(st.none() | TEXT, min_size=1, max_size=5))
def test_names_and_texts_are_escaped_as_in_any_json(names: list[str], texts: list[str | None]) -> None:
    fields = [(name, Kind.STRING) for name in names]
    row: list[Field] = [None if text is None else text.encode() for text in texts][: len(names)]
    row += [None] * (len(names) - len(row))
    (made,) = objects(fields, [row])
    parts = [
        f"{json.dumps(name, ensure_ascii=False)}:"
        f"{'null' if value is None else json.dumps(value.decode(), ensure_ascii=False)}"
        for name, value in zip(names, row, strict=True)
    ]
    assert made.decode() == "{" + ",".join(parts) + "}"


def test_every_place_of_a_byte_that_must_be_escaped() -> None:
    texts = [b"x" * before + special + b"y" * 40 for before in range(40) for special in (b'"', b"\\", b"\x00", b"\x1f")]
    made = objects([("", Kind.STRING)], [[text] for text in texts])
    assert [json.loads(value) for value in made] == [{"": text.decode()} for text in texts]


def test_a_row_that_grows_sixfold_passes_between_short_ones() -> None:
    long = b"\x01" * 3_000_000
    block = Block()
    block.expect([("a", Kind.STRING), ("b", Kind.BYTEA)], objects=True)
    rows: list[list[Field]] = [[b"short", b"\xff"], [long, long], [b"short", b""]]
    got, outcome = Server(HEADER + message(rows[0]), *map(message, rows[1:]), TRAILER).read(block)
    assert outcome is Outcome.ENDED
    first, second, third = (
        b'{"a":"short","b":"\\\\xff"}',
        len(b'{"a":"","b":"\\\\x"}') + 8 * len(long),
        b'{"a":"short","b":"\\\\x"}',
    )
    assert got.startswith(struct.pack(">Hi", 1, len(first)) + first)
    assert struct.pack(">Hi", 1, second) in got
    assert got.endswith(struct.pack(">Hi", 1, len(third)) + third)
    assert block._capacity < len(long)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.INT4, bytes(8)),
        (Kind.INT8, bytes(4)),
        (Kind.BOOLEAN, b""),
        (Kind.UUID, bytes(15)),
        (Kind.DATE, bytes(5)),
        (Kind.TIMESTAMPTZ, bytes(7)),
        (Kind.JSONB, b""),
        (Kind.JSONB, b'\x02{"a": 1}'),
        (Kind.NUMERIC, bytes(7)),
        (Kind.NUMERIC, struct.pack(">HhHH", 1, 0, 0, 0)),  # a group is missing
        (Kind.NUMERIC, struct.pack(">HhHHH", 1, 0, 0x1234, 0, 1)),  # no sign of ours
        (Kind.NUMERIC, struct.pack(">HhHHH", 1, 0, 0, 0, 10_000)),  # no digits
    ],
)
def test_what_is_not_of_the_kind_asked_for_is_told(kind: Kind, value: bytes) -> None:
    block = Block()
    block.expect([("a", kind)], objects=True)
    assert Server(HEADER, message([value]), TRAILER).read(block) == (b"", Outcome.MALFORMED)


@pytest.mark.parametrize(
    "sent",
    [
        message([b"1"]),  # a field too few
        message([b"1", b"2", b"3"]),
        message([b"1", b"2"])[:-1],
        message([b"1", b"2"]) + b"\0",
        struct.pack(">H", 2),
    ],
)
def test_a_row_of_other_fields_is_told(sent: bytes) -> None:
    block = Block()
    block.expect([("a", Kind.STRING), ("b", Kind.STRING)], objects=True)
    assert Server(HEADER, sent, TRAILER).read(block) == (b"", Outcome.MALFORMED)


def test_more_json_than_a_value_may_have_is_told() -> None:
    block = Block()
    block.expect([("a", Kind.STRING)], objects=True)
    with pytest.raises(TooLong, match="1 GB"):
        Server(HEADER, message([b"\x01" * 180_000_000]), TRAILER).read(block)


@pytest.mark.ci  # takes some GB for a moment
def test_a_longer_row_than_a_store_takes_is_told() -> None:
    sent = message([bytes(1 << 30)])
    with pytest.raises(TooLong, match="1 GB"):
        Block().append(sent)
    with pytest.raises(TooLong, match="1 GB"):
        list(Block().batches([sent]))
