"""What is encoded for COPY is, byte for byte, what PostgreSQL would send for the value; JSON keeps it exactly."""

import json
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg import sql as q

from extraction_agent import embedded, errors
from extraction_agent.copyio import HEADER, TRAILER
from extraction_agent.model import Format
from extraction_agent.sources import encoding

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_DECIMALS = st.builds(
    lambda sign, digits, scale: Decimal((sign, tuple(digits), -scale)),
    st.integers(0, 1),
    st.lists(st.integers(0, 9), min_size=1, max_size=65),
    st.integers(0, 30),
)
_MOMENTS = st.datetimes()
_SPANS = st.timedeltas(timedelta(hours=-839), timedelta(hours=839))


def _integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _written_span(span: timedelta) -> bytes:
    """As MySQL writes a TIME."""
    microseconds = abs(span) // timedelta(microseconds=1)
    seconds, fraction = divmod(microseconds, 1_000_000)
    sign = "-" if span < timedelta(0) else ""
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction:06d}".encode()


def _ascii(value: Any) -> bytes:
    return str(value).encode()


# type, values, what a source would hand over, what psycopg reads back
CASES: list[tuple[str, st.SearchStrategy[Any], Callable[[Any], bytes], Callable[[Any], Any]]] = [
    ("smallint", _integers(16), _ascii, int),
    ("integer", _integers(32), _ascii, int),
    ("bigint", _integers(64), _ascii, int),
    ("numeric(20,0)", st.integers(0, 2**64 - 1), _ascii, Decimal),
    ("numeric", _DECIMALS, lambda value: format(value, "f").encode(), lambda value: value),
    ("double precision", st.floats(allow_nan=False), lambda value: repr(value).encode(), float),
    ("real", st.floats(width=32, allow_nan=False), lambda value: repr(value).encode(), float),
    ("boolean", st.booleans(), lambda value: b"%d" % value, bool),
    ("text", _TEXT, str.encode, str),
    ("bytea", st.binary(), bytes, bytes),
    ("date", st.dates(), lambda value: value.isoformat().encode(), lambda value: value),
    ("timestamp without time zone", _MOMENTS, lambda value: value.isoformat(" ").encode(), lambda value: value),
    (
        "timestamp with time zone",
        st.datetimes(datetime(1970, 1, 1), datetime(2038, 1, 19)),
        lambda value: value.isoformat(" ").encode(),
        lambda value: value.replace(tzinfo=UTC),
    ),
    ("interval", _SPANS, _written_span, lambda value: value),
    ("uuid", st.uuids(), _ascii, lambda value: value),
    ("bit(13)", st.integers(0, 2**13 - 1), lambda value: value.to_bytes(2, "big"), lambda value: f"{value:013b}"),
    ("bit(64)", st.integers(0, 2**64 - 1), lambda value: value.to_bytes(8, "big"), lambda value: f"{value:064b}"),
]


@pytest.mark.parametrize(("type_", "values", "written", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_is_copied_is_what_is_read(
    server: embedded.Server,
    type_: str,
    values: st.SearchStrategy[Any],
    written: Callable[[Any], bytes],
    expected: Callable[[Any], Any],
) -> None:
    with psycopg.connect(server.url(), options="-c TimeZone=UTC") as connection:
        connection.execute(q.SQL("CREATE TEMP TABLE kept (value {})").format(q.SQL(type_)))
        rows = encoding.Rows("here", {"value": encoding.as_field(type_)}, Format.TYPED)

        @settings(max_examples=40, deadline=None)
        @given(st.lists(st.none() | values, min_size=1, max_size=30))
        def check(drawn: list[Any]) -> None:
            messages = [rows.message([None if value is None else written(value)]) for value in drawn]
            connection.execute("TRUNCATE kept")
            with connection.cursor(binary=type_ == "real") as cursor:  # whose text is not the whole value
                with cursor.copy("COPY kept FROM STDIN (FORMAT binary)") as copy:
                    copy.write(HEADER + b"".join(messages) + TRAILER)
                with cursor.copy("COPY kept TO STDOUT (FORMAT binary)") as copy:
                    back = b"".join(copy)
                assert bytes(back) == HEADER + b"".join(messages) + TRAILER
                got = [row[0] for row in cursor.execute("SELECT value FROM kept").fetchall()]
            assert got == [None if value is None else expected(value) for value in drawn]

        check()


@given(_DECIMALS)
@example(Decimal("0.00"))
@example(Decimal("-0"))
def test_a_decimal_in_json_loses_nothing(value: Decimal) -> None:
    written = format(value, "f").encode()
    read = json.loads(encoding.as_part("numeric")(written), parse_float=Decimal, parse_int=Decimal)
    assert read == value
    assert read.as_tuple().exponent == value.as_tuple().exponent  # 1.50 stays 1.50


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_single_in_json_is_short_and_exact(value: float) -> None:
    read = json.loads(encoding.as_part("real")(repr(value).encode()), parse_int=float)
    assert struct.pack(">f", read) == struct.pack(">f", value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_in_json_is_exact(value: float) -> None:
    read = json.loads(encoding.as_part("double precision")(repr(value).encode()), parse_int=float)
    assert struct.pack(">d", read) == struct.pack(">d", value)


@given(st.dictionaries(_TEXT, _TEXT | st.none(), min_size=1))
def test_names_and_texts_in_json(row: dict[str, str | None]) -> None:
    rows = encoding.Rows("here", dict.fromkeys(row, encoding.as_part("text")), Format.JSON)
    message = rows.message([value if value is None else value.encode() for value in row.values()])
    assert struct.unpack(">hi", message[:6]) == (1, len(message) - 6)
    assert list(json.loads(message[6:]).items()) == list(row.items())


@pytest.mark.parametrize(
    ("type_", "written", "json_text"),
    [
        ("smallint", b"00042", b"42"),
        ("numeric(6,2)", b"0000.50", b"0.50"),
        ("numeric(6,2)", b"0012.00", b"12.00"),
        ("bytea", b"\0\xff", rb'"\\x00ff"'),
        ("date", b"2024-02-29", b'"2024-02-29"'),
        ("timestamp without time zone", b"2024-02-29 01:02:03.5", b'"2024-02-29T01:02:03.5"'),
        ("timestamp with time zone", b"2024-02-29 01:02:03", b'"2024-02-29T01:02:03+00:00"'),
        ("interval", b"-838:59:59", b'"-838:59:59"'),
        ("bit(5)", b"\x05", b'"00101"'),
        ("json", b'{"a": [1.50, null]}', b'{"a": [1.50, null]}'),
        ("double precision", b"1e22", b"1e+22"),
        ("boolean", b"1", b"true"),
        ("uuid", str(UUID(int=1)).encode(), b'"00000000-0000-0000-0000-000000000001"'),
    ],
)
def test_parts_of_a_json_object(type_: str, written: bytes, json_text: bytes) -> None:
    assert encoding.as_part(type_)(written) == json_text


@pytest.mark.parametrize("part", [encoding.as_field, encoding.as_part])
@pytest.mark.parametrize(
    ("type_", "written", "complaint"),
    [
        ("text", b"a\0b", r"the character \0"),
        ("text", b"\xff", "not valid UTF-8"),
        ("date", b"0000-00-00", "no date of the calendar"),
        ("date", b"2024-00-10", "no date of the calendar"),
        ("timestamp without time zone", b"0000-00-00 00:00:00", "no date of the calendar"),
        ("json", b'1, "other": 2', "not valid JSON"),
        ("json", b"NaN", "not valid JSON"),
    ],
)
def test_refused_with_the_column(
    part: Callable[[str], encoding.Encoder], type_: str, written: bytes, complaint: str
) -> None:
    format_ = Format.TYPED if part is encoding.as_field else Format.JSON
    rows = encoding.Rows("source here", {"good": part("text"), "bad one": part(type_)}, format_)
    with pytest.raises(errors.SourceError, match="source here: column bad one holds") as caught:
        rows.message([None, written])
    assert complaint in str(caught.value)


def test_a_number_that_does_not_fit_is_refused() -> None:
    rows = encoding.Rows("here", {"n": encoding.as_field("smallint")}, Format.TYPED)
    with pytest.raises(errors.SourceError, match="column n holds a value that does not fit"):
        rows.message([b"40000"])


def test_the_first_day_postgresql_counts_from() -> None:
    assert encoding.as_field("date")(date(2000, 1, 1).isoformat().encode()) == b"\0\0\0\4\0\0\0\0"
