"""MySQL's rows through the compiled loop: the very bytes that encoding.py makes, or the row is left to it."""

import io
import struct
from typing import Any

import pymysql
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extraction_agent.errors import SourceError
from extraction_agent.model import Format
from extraction_agent.sources import encoding, mysql_rows
from extraction_agent.sources.mysql_rows import Packets, Values
from extraction_agent.walker import BLOCK_BYTES, Block, Kind
from messages import CHUNK

FORMATS = pytest.mark.parametrize("format_", list(Format))
END = b"\xfe\0\0\2\0"
TYPES = [name for name in mysql_rows._KINDS if name != "numeric"] + ["numeric(10,3)"]


def packets(*payloads: bytes) -> bytes:
    """As a server sends them; a long one in several."""
    parts = []
    for payload in payloads:
        at = 0
        while True:
            part = payload[at : at + 0xFFFFFF]
            parts.append(struct.pack("<I", len(part))[:3] + b"\0" + part)
            at += len(part)
            if len(part) < 0xFFFFFF:
                break
    return b"".join(parts)


def row(values: Values) -> bytes:
    parts = []
    for value in values:
        if value is None:
            parts.append(b"\xfb")
        elif len(value) < 0xFB:
            parts.append(bytes([len(value)]) + value)
        elif len(value) < 2**16:
            parts.append(b"\xfc" + struct.pack("<H", len(value)) + value)
        elif len(value) < 2**24:
            parts.append(b"\xfd" + struct.pack("<I", len(value))[:3] + value)
        else:
            parts.append(b"\xfe" + struct.pack("<Q", len(value)) + value)
    return b"".join(parts)


class Read:
    """What comes of rows: the messages, and the rows that Python had to encode."""

    def __init__(self, types: list[str], format_: Format, sent: bytes, piece: int = 2**30) -> None:
        """piece: bytes that come at a time."""
        names = [f"c{number}" for number in range(len(types))]
        encoder = encoding.as_field if format_ is Format.TYPED else encoding.as_part
        encoders = {name: encoder(type_) for name, type_ in zip(names, types, strict=True)}
        self.message = encoding.Rows("test", encoders, format_).message
        self.left: list[Values] = []
        block = Block((CHUNK,))
        kinds = [mysql_rows._KINDS.get(type_.partition("(")[0], Kind.OTHER) for type_ in types]
        block.expect(list(zip(names, kinds, strict=True)), objects=format_ is Format.JSON)
        self.stream = Packets(Slow(sent, piece))
        self.messages = []
        for filled in self.stream.blocks(block, len(types), self._encode):
            assert filled.used < 2 * BLOCK_BYTES or filled.rows == 1
            self.messages += [bytes(one) for one in filled.messages()]

    def _encode(self, values: Values) -> bytes:
        self.left.append(values)
        return self.message(values)

    def expected(self, rows: list[Values]) -> list[bytes]:
        made = map(self.message, rows)
        return [struct.pack(">H", int.from_bytes(one[:2], "big") + 1) + CHUNK + one[2:] for one in made]


class Slow(io.BufferedReader):
    """Bytes that come piece by piece."""

    def __init__(self, sent: bytes, piece: int) -> None:
        super().__init__(io.BytesIO(sent))
        self._piece = piece

    def read1(self, size: int = -1) -> bytes:
        return super().read1(min(size, self._piece))


DIGITS = st.integers(-(10**18), 10**18).map(str)
DECIMALS = st.decimals(-(10**30), 10**30, allow_nan=False, places=6).map(lambda value: f"{value:f}")
MOMENTS = st.datetimes().map(lambda value: value.isoformat(" ", "microseconds"))
SPANS = st.tuples(st.integers(-838, 838), st.integers(0, 59), st.integers(0, 59)).map(
    lambda parts: f"{parts[0]:03d}:{parts[1]:02d}:{parts[2]:02d}"
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bigint": DIGITS,
    "boolean": st.sampled_from(["0", "1", "7", "-1"]),
    "bytea": st.binary(max_size=300),
    "date": st.dates().map(str),
    "double precision": st.floats(allow_nan=False, allow_infinity=False).map(repr) | DECIMALS,
    "integer": st.integers(-(2**31), 2**31 - 1).map(str),
    "interval": SPANS | SPANS.map(lambda value: value + ".012345"),
    "json": st.sampled_from(["9" * 5000, '{"a": [1, null, "\\u0000"]}', "1e400", '"x"', " [ ] ", "[[[]]]"]),
    "numeric(10,3)": DECIMALS | DIGITS | st.sampled_from(["0.000", "-0.5", "00012.50", "10000", "0.00010000", "00"]),
    "real": st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr)
    | st.sampled_from(["215.5759163000441", "16777217", "0.1"]),
    "smallint": st.integers(-(2**15), 2**15 - 1).map(str) | st.sampled_from(["007", "-0"]),
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300),
    "timestamp with time zone": MOMENTS,
    "timestamp without time zone": MOMENTS | st.datetimes().map(lambda value: value.isoformat(" ", "seconds")),
    "uuid": st.uuids().map(str),
}


def drawn(types: list[str]) -> st.SearchStrategy[list[Values]]:
    columns = [
        VALUES[type_].map(lambda value: value if isinstance(value, bytes) else value.encode()) | st.none()
        for type_ in types
    ]
    return st.lists(st.tuples(*columns), max_size=20)


@FORMATS
@pytest.mark.parametrize("type_", TYPES)
def test_each_type_has_the_bytes_that_python_makes(type_: str, format_: Format) -> None:
    total, left = 0, 0

    @settings(max_examples=150, deadline=None)
    @given(drawn([type_]), st.sampled_from([1, 7, 100_000]))
    def check(rows: list[Values], piece: int) -> None:
        nonlocal total, left
        read = Read([type_], format_, packets(*map(row, rows), END), piece)
        assert read.messages == read.expected(rows)
        assert read.stream.ended
        total, left = total + len(rows), left + len(read.left)

    check()
    often = {"double precision", "real"}  # whose exponents JSON's writer leaves to Python
    assert left == 0 or (type_ in often and left < 0.9 * total)


@FORMATS
@given(st.data())
@settings(deadline=None)
def test_rows_of_many_types(format_: Format, data: st.DataObject) -> None:
    types = data.draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=8))
    rows = data.draw(drawn(types))
    read = Read(types, format_, packets(*map(row, rows), END), data.draw(st.integers(1, 5000)))
    assert read.messages == read.expected(rows)


@FORMATS
@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("text", b"a\0b"),
        ("text", b"\xff"),
        ("text", b"\xed\xa0\x80"),  # half of a surrogate pair
        ("json", b'{"a": 1} , "b": 2'),
        ("json", b"NaN"),
        ("json", b'{"a": "\0"}'),
        ("date", b"0000-00-00"),
        ("date", b"2023-02-29"),
        ("timestamp without time zone", b"2023-02-30 00:00:00"),
        ("timestamp with time zone", b"0000-00-00 00:00:00"),
    ],
)
def test_what_does_not_fit_is_refused_by_python_with_its_reason(type_: str, value: bytes, format_: Format) -> None:
    with pytest.raises(SourceError, match=r"column c0 holds a|which is no date"):
        Read([type_], format_, packets(row((value,)), END))


@FORMATS
def test_types_without_a_kind_and_rows_between(format_: Format) -> None:
    rows: list[Values] = [(b"\5", b"one"), (None, b"two")]
    read = Read(["bit(3)", "text"], format_, packets(*map(row, rows), END))
    assert read.messages == read.expected(rows)
    assert read.left == rows[:1]  # NULL is NULL, whatever the type


@FORMATS
def test_values_longer_than_a_packet_and_than_a_block(format_: Format) -> None:
    rows: list[Values] = [
        (b"short",),
        (b"x" * 200_000,),
        (b'"' * 0xFFFFFF,),
        (b"y" * (0xFFFFFF - 4),),
        (b"z" * (17 << 20),),
    ]
    for last in rows:  # nothing follows it but the end
        sent = [*rows, last]
        read = Read(["text"], format_, packets(*map(row, sent), END), 100_000)
        assert read.messages == read.expected(sent)
        assert len(read.left) == sum(len(row(values)) >= 0xFFFFFF for values in sent) > 2


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (packets(row((b"1",))), "midst of a result"),
        (packets(row((b"1",)))[:3], "midst of a result"),
        (packets(b""), "empty"),
        (packets(b"\xff"), "no number"),
        (packets(b"\xff\1\2"), "no number"),
        (packets(row((b"1",)), b"\xff\x25\x05#70100Query execution was interrupted"), "interrupted"),
        (b"", "midst of a result"),
    ],
)
def test_a_result_without_its_end(sent: bytes, expected: str) -> None:
    with pytest.raises(pymysql.MySQLError, match=expected):
        Read(["integer"], Format.JSON, sent)


@pytest.mark.parametrize(
    "broken", [b"\x051234", b"\xfc\1", b"\x011\x011", b"\xfe" + b"\xff" * 8 + b"1", b"\x011\xff" + bytes(255)]
)
def test_a_row_that_lies_about_its_lengths_harms_nothing(broken: bytes) -> None:
    with pytest.raises(pymysql.OperationalError, match=r"shorter than its values|a row of 2 values|has no length"):
        Read(["integer"], Format.TYPED, packets(broken, END))
