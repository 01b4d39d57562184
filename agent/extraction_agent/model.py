"""The nouns of the program and their strict models."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic.config import JsonDict

from extraction_agent import errors

DIGEST_BYTES = 4  # of each row's xxh64, kept per chunk so that an altered row can be named


class Format(StrEnum):
    """How records are kept: one JSON value a row, or a table of the same columns."""

    JSON = "json"
    TYPED = "typed"

    @property
    def extraction_column(self) -> str:
        """The column of a stored record that says which extraction it belongs to."""
        return "extraction_id" if self is Format.JSON else "_extraction_id"

    @property
    def chunk_column(self) -> str:
        """The column of a stored record that says which chunk brought it."""
        return "chunk_no" if self is Format.JSON else "_chunk_no"


class Consistency(StrEnum):
    """Whether all chunks share one snapshot of the source, or each has its own."""

    SNAPSHOT = "snapshot"
    CHUNK = "chunk"


class Status(StrEnum):
    """Of an extraction."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self not in (Status.PENDING, Status.RUNNING)


class Verdict(StrEnum):
    """What a gate answers. Only GO is one."""

    GO = "GO"
    NO_GO = "NO-GO"
    INCONCLUSIVE = "INCONCLUSIVE"


class Strict(BaseModel):
    """A model that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def recorded(cls, value: Any, what: str) -> Self:
        """From the store, where `what` is its name. Raises Unreadable."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = ".".join(str(part) for part in first["loc"])
            raise errors.Unreadable(
                f"{what} cannot be read: another version of the program has written it ({path and path + ': '}"
                f"{first['msg'].lower()}). Go on with that version, or begin a new extraction."
            ) from error


def _integral(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


INTEGRAL = BeforeValidator(_integral)  # 2.0 is an integer to JSON; after the bounds, or its schema would lack them
_NO_NUL = r"^[^\x00]*$"  # which no database keeps in a text
Word = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=_NO_NUL)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=100_000, pattern=_NO_NUL)]
Value = Annotated[str, StringConstraints(max_length=100_000, pattern=_NO_NUL)]

_EITHER: tuple[JsonDict, ...] = (  # a table or a query, for JSON Schema; _whole says it in words
    {
        "required": ["table"],
        "properties": {"table": {"type": "string"}, "query": {"type": "null"}, "parameters": {"maxProperties": 0}},
    },
    {"required": ["query"], "properties": {"query": {"type": "string"}, "table": {"type": "null"}}},
)


class Definition(Strict):
    """What to extract, as the user said it; the part of a config that never holds a secret."""

    model_config = ConfigDict(json_schema_extra={"oneOf": list(_EITHER)})

    table: Word | None = Field(default=None, description="a table or view, or schema.table")
    query: Text | None = Field(default=None, description="a SELECT, instead of a table")
    parameters: dict[Word, Value] = Field(
        default_factory=dict,
        description="values for %(name)s in the query",
        json_schema_extra={"additionalProperties": False},  # names are all of the one pattern
    )
    columns: tuple[Word, ...] = Field(default=(), description="columns to extract; none: all")
    exclude: tuple[Word, ...] = Field(default=(), description="columns to leave out")
    key: tuple[Word, ...] = Field(default=(), description="columns of the unique key to cut by, or PostgreSQL's ctid")
    watermark: Word | None = Field(default=None, description="only rows changed since the last run, by this column")
    overlap_seconds: float = Field(
        default=300.0, ge=0, le=1e9, allow_inf_nan=False, description="how far an incremental run looks back"
    )
    format: Format = Field(default=Format.JSON, description="how records are kept")
    consistency: Consistency | None = Field(default=None, description="one snapshot for all chunks, or each its own")
    chunk_rows: Annotated[int, Field(ge=1, le=100_000_000), INTEGRAL] | None = Field(
        default=None, description="rows a chunk aims at"
    )
    snapshot_max_seconds: float = Field(
        default=6 * 3600.0, gt=0, le=1e9, allow_inf_nan=False, description="how long a snapshot may stand at the source"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("say what to extract: either a table or a query")
        if self.parameters and self.query is None:
            raise ValueError("parameters belong to a query")
        return self


class Column(Strict):
    """One column of a relation.

    type: as the source names it; sent_as: the type it has on the wire and in a typed table.
    """

    name: str
    type: str
    sent_as: str
    nullable: bool = True


class Chunk(Strict):
    """One range of the source relation.

    `low` < key ≤ `high`, each a value per key column as text, None: open. For ctid chunks the values are
    block numbers, `low` ≤ block < `high`, of `part` of a partitioned table.
    """

    low: tuple[str, ...] | None = None
    high: tuple[str, ...] | None = None
    part: str | None = None
    condition: str | None = None  # a further filter, in the source's SQL
    window: bool = False  # the rows an overlapping run may meet again: their digests are kept whole
    before: str | None = None  # a filter of others that are read first, of the same moment, and not kept

    @property
    def words(self) -> str:
        """The range as a person reads it."""
        part = f"{self.part}, " if self.part else ""
        if self.low is None and self.high is None:
            return part + "everything"
        low = "the beginning" if self.low is None else ", ".join(self.low)
        high = "the end" if self.high is None else ", ".join(self.high)
        return f"{part}from {low} to {high}"


class Plan(Strict):
    """How an extraction reads its relation: what every chunk has in common."""

    method: Literal["whole", "key", "ctid", "pages"]
    relation: str  # quoted by the source's own means, or the query in parentheses
    oid: int | None = None  # of a PostgreSQL relation, by which it is known from another of its name
    columns: tuple[Column, ...]
    key: tuple[Column, ...] = ()
    format: Format
    consistency: Consistency
    chunk_rows: int
    estimated_rows: int
    reason: str  # why this method, for --dry-run
    restart_on_lost_snapshot: bool = False
    renewals: int = 0  # how often it did
    condition: str | None = None  # an incremental run's filter, in the source's SQL
    deduplicate: bool = False  # drop rows an earlier run took: its window's digests say which


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one chunk's transaction wrote. hash: the sum of the rows' xxh64, modulo 2^64, signed."""

    rows: int
    hash: int
    digests: bytes | None  # DIGEST_BYTES of each row's digest in the order sent
    window: bytes | None  # 8 bytes of each row of an overlapping run's window, dropped ones too
    bytes: int


@dataclass(slots=True)
class Summary:
    """An extraction as `show`, `extract --json` and the progress line see it."""

    extraction_id: int
    config: str
    status: Status
    rows: int
    bytes: int
    chunks: int
    chunks_done: int
    chunks_running: int
    estimated_rows: int
    format: Format
    created_at: datetime
    seconds: float
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    watermark: dict[str, Any] | None = None
    trouble: str | None = None  # of one that runs: what a chunk met that is tried again, and that may be over

    @property
    def rows_per_minute(self) -> float:
        return self.rows / self.seconds * 60 if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "extraction_id": self.extraction_id,
            "config": self.config,
            "status": self.status.value,
            "rows": self.rows,
            "bytes": self.bytes,
            "chunks": self.chunks,
            "chunks_done": self.chunks_done,
            "seconds": round(self.seconds, 3),
            "rows_per_minute": round(self.rows_per_minute),
            "format": self.format.value,
            "created_at": self.created_at.isoformat(),
            "error": self.error,
            "trouble": self.trouble,
            "notes": self.notes,
            "watermark": self.watermark,
        }


def slug(text: str) -> str:
    """A config's default name: lower-case words joined by hyphens, at most 40 characters."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "query"
