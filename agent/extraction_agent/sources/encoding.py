"""Values as fields of PostgreSQL's binary COPY, or as parts of a JSON object: for sources that are not PostgreSQL.

Bytes are exactly those PostgreSQL would send for the same value, so that a digest of a row sent equals one of the row
kept. Numbers and times come as the text a server writes (bytes) or as Python's int and float; text as UTF-8.
"""

import json
import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from json.encoder import encode_basestring
from typing import Any

from extraction_agent import errors
from extraction_agent.model import Format

Encoder = Callable[[Any], bytes]

NULL = b"\xff\xff\xff\xff"  # a length of -1
_length = struct.Struct(">i").pack
_int2, _int4, _int8 = (struct.Struct(">i" + code).pack for code in "hiq")
_float4, _float8 = (struct.Struct(">i" + code).pack for code in "fd")
_interval = struct.Struct(">iqii").pack
_numeric_head = struct.Struct(">ihhhh").pack
_EPOCH = datetime(2000, 1, 1)  # PostgreSQL counts from here, in whatever zone the column has
_EPOCH_DAY = _EPOCH.toordinal()
_MICROSECOND = timedelta(microseconds=1)
_NEGATIVE, _INFINITE, _NEGATIVE_INFINITE = 0x4000, -0x3000, -0x1000  # signs of a numeric; 0xD000, 0xF000 as int16


class Unfit(ValueError):
    """A value that its column's type at the store cannot hold. The message ends the sentence "column c holds …"."""


def field(data: bytes) -> bytes:
    """A field of the COPY message."""
    return _length(len(data)) + data


def text(value: bytes) -> bytes:
    """A field of a text, which PostgreSQL keeps without the character zero."""
    _checked(value)
    return _length(len(value)) + value


def _checked(value: bytes) -> str:
    if b"\0" in value:
        raise Unfit(r"a text with the character \0, which PostgreSQL cannot store")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Unfit("a text that is not valid UTF-8") from None


def numeric(value: bytes | str | int) -> bytes:
    """A field of a decimal, from its text: sign, digits and a point, or Infinity."""
    written = value.decode() if isinstance(value, bytes) else str(value)
    negative = written.startswith("-")
    whole, _, fraction = written.lstrip("-").partition(".")
    if whole == "Infinity":
        return _numeric_head(8, 0, 0, _NEGATIVE_INFINITE if negative else _INFINITE, 0)
    whole = whole.zfill(-(-len(whole) // 4) * 4)
    digits = whole + fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    groups = [int(digits[at : at + 4]) for at in range(0, len(digits), 4)]
    weight = len(whole) // 4 - 1
    while groups and not groups[-1]:
        groups.pop()
    skipped = next((at for at, group in enumerate(groups) if group), 0)
    groups = groups[skipped:]
    if not groups:
        return _numeric_head(8, 0, 0, 0, len(fraction))
    sign = _NEGATIVE if negative else 0
    head = _numeric_head(8 + 2 * len(groups), len(groups), weight - skipped, sign, len(fraction))
    return head + struct.pack(f">{len(groups)}h", *groups)


def _moment(value: bytes) -> datetime:
    try:
        return datetime.fromisoformat(value.decode())
    except ValueError:
        raise Unfit(f"{value.decode(errors='replace')}, which is no date of the calendar") from None


def _day(value: bytes) -> int:
    try:
        return date.fromisoformat(value.decode()).toordinal() - _EPOCH_DAY
    except ValueError:
        raise Unfit(f"{value.decode(errors='replace')}, which is no date of the calendar") from None


def _span(value: bytes) -> int:
    """Microseconds of [-]hours:minutes:seconds[.fraction]."""
    hours, minutes, seconds = value.decode().lstrip("-").split(":")
    whole, _, fraction = seconds.partition(".")
    total = (int(hours) * 3600 + int(minutes) * 60 + int(whole)) * 1_000_000 + int(fraction.ljust(6, "0"))
    return -total if value.startswith(b"-") else total


def _bits(width: int) -> Encoder:
    size = -(-width // 8)
    shift = size * 8 - width
    head = _length(4 + size) + _length(width)
    return lambda value: head + (int.from_bytes(value, "big") << shift).to_bytes(size, "big")


def _json(value: bytes) -> bytes:
    """A JSON document, checked, because a part of an object must not be able to change the rest of it."""
    written = _checked(value)
    try:
        json.loads(written, parse_int=str, parse_constant=_refuse_constant)  # int() refuses long ones
    except (ValueError, RecursionError):
        raise Unfit("a text that is not valid JSON") from None
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


_FIELDS: dict[str, Encoder] = {
    "smallint": lambda value: _int2(2, int(value)),
    "integer": lambda value: _int4(4, int(value)),
    "bigint": lambda value: _int8(8, int(value)),
    "real": lambda value: _float4(4, float(value)),
    "double precision": lambda value: _float8(8, float(value)),
    "boolean": lambda value: field(b"\1" if int(value) else b"\0"),
    "numeric": numeric,
    "text": text,
    "bytea": field,
    "json": lambda value: field(_json(value)),
    "uuid": lambda value: field(bytes.fromhex(value.decode().replace("-", ""))),
    "date": lambda value: _int4(4, _day(value)),
    "timestamp without time zone": lambda value: _int8(8, (_moment(value) - _EPOCH) // _MICROSECOND),
    "timestamp with time zone": lambda value: _int8(8, (_moment(value) - _EPOCH) // _MICROSECOND),
    "interval": lambda value: _interval(16, _span(value), 0, 0),
}


def as_field(sent_as: str) -> Encoder:
    """The encoder of a column of a typed table, by its type there."""
    if sent_as.startswith("bit("):
        return _bits(_argument(sent_as))
    return _FIELDS[sent_as.partition("(")[0]]


def _argument(sent_as: str) -> int:
    found = re.search(r"\((\d+)", sent_as)
    assert found is not None
    return int(found[1])


def quoted(value: bytes) -> bytes:
    """A JSON string."""
    return encode_basestring(_checked(value)).encode()


def hexadecimal(value: bytes) -> bytes:
    r"""Bytes as row_to_json writes a bytea: "\x6869"."""
    return b'"\\\\x' + value.hex().encode() + b'"'


def double(value: bytes | float) -> bytes:
    """The shortest number that reads as the same double; the infinities, which JSON lacks, as strings."""
    number = float(value)
    if math.isinf(number):
        return b'"Infinity"' if number > 0 else b'"-Infinity"'
    return repr(number).removesuffix(".0").encode()


def _single(value: bytes | float) -> bytes:
    number = float(value)
    for digits in range(6, 9):
        short = f"{number:.{digits}g}"
        if _float4(4, float(short)) == _float4(4, number):
            return double(short.encode())
    return double(f"{number:.9g}".encode())


def _decimal(value: bytes) -> bytes:
    if value[:1] == b"0" and len(value) > 1:  # ZEROFILL; JSON allows no leading zeros
        value = value.lstrip(b"0")
        return value if value[:1].isdigit() else b"0" + value
    return value


def _iso(suffix: bytes) -> Encoder:
    def encode(value: bytes) -> bytes:
        _moment(value)
        return b'"' + value.replace(b" ", b"T", 1) + suffix + b'"'

    return encode


def _iso_date(value: bytes) -> bytes:
    _day(value)
    return b'"' + value + b'"'


def _integer(value: bytes | int) -> bytes:
    return b"%d" % int(value)


_PARTS: dict[str, Encoder] = {
    "smallint": _integer,
    "integer": _integer,
    "bigint": _integer,
    "real": _single,
    "double precision": double,
    "boolean": lambda value: b"true" if int(value) else b"false",
    "numeric": _decimal,
    "text": quoted,
    "bytea": hexadecimal,
    "json": _json,
    "uuid": quoted,
    "date": _iso_date,
    "timestamp without time zone": _iso(b""),
    "timestamp with time zone": _iso(b"+00:00"),
    "interval": quoted,
}


def as_part(sent_as: str) -> Encoder:
    """The encoder of a column within a JSON object, by the type it would have in a typed table."""
    if sent_as.startswith("bit("):
        width = _argument(sent_as)
        return lambda value: f'"{int.from_bytes(value, "big"):0{width}b}"'.encode()
    return _PARTS[sent_as.partition("(")[0]]


class Rows:
    """Makes messages of rows: a field per column, or one JSON object."""

    def __init__(self, label: str, encoders: Mapping[str, Encoder], format_: Format) -> None:
        """label: where the rows come from, for messages. encoders: by the columns' names, in order."""
        names = tuple(encoders)
        self._label, self._names, self._encoders = label, names, tuple(encoders.values())
        self._head = struct.pack(">h", len(names) if format_ is Format.TYPED else 1)
        keys = [b"," + encode_basestring(name).encode() + b":" for name in names]
        keys[0] = b"{" + keys[0][1:]
        self._keys = tuple(keys)
        self._encode = self._typed if format_ is Format.TYPED else self._object

    def message(self, row: Sequence[Any]) -> bytes:
        """One row. Raises SourceError naming the column whose value cannot be kept."""
        try:
            return self._encode(row)
        except (ValueError, OverflowError, struct.error) as error:
            raise errors.SourceError(f"{self._label}: {self._complaint(row)}") from error

    def _typed(self, row: Sequence[Any]) -> bytes:
        return self._head + b"".join(
            [
                NULL if value is None else encode(value)
                for encode, value in zip(self._encoders, row, strict=True)
            ]
        )  # fmt: skip

    def _object(self, row: Sequence[Any]) -> bytes:
        parts = [
            key + (b"null" if value is None else encode(value))
            for key, encode, value in zip(self._keys, self._encoders, row, strict=True)
        ]
        data = b"".join(parts)
        return b"".join((self._head, _length(len(data) + 1), data, b"}"))

    def _complaint(self, row: Sequence[Any]) -> str:
        for name, encode, value in zip(self._names, self._encoders, row, strict=True):
            if value is None:
                continue
            try:
                encode(value)
            except Unfit as error:
                return f"column {name} holds {error}. Correct the row, or leave the column out with --exclude."
            except (ValueError, OverflowError, struct.error):
                return (
                    f"column {name} holds a value that does not fit the type planned for it. "
                    "Leave the column out with --exclude, or use --format json."
                )
        return "a row is too large for one record."
