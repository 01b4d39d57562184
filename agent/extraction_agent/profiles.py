"""Profiles: named sets of tuning settings, small YAML files under a strict model."""

import difflib
from datetime import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator

from extraction_agent import errors, textfiles
from extraction_agent.model import Strict, Word

_PACKAGED = Path(__file__).parent / "tuning_profiles"  # in a wheel; a checkout has them at its top
_DIRECTORY = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "tuning_profiles"


class Reading(Strict):
    """How a relation is read."""

    method: Literal["ranges", "offset"] = Field(
        "ranges", description="ranges: chunks of a key or of blocks; offset: LIMIT/OFFSET pages, the old way"
    )
    chunks_in_flight: int = Field(2, ge=1, le=64, description="chunks copied at once by one agent")
    page_rows: int = Field(1000, ge=1, le=1_000_000, description="rows of a LIMIT/OFFSET page")


class Batch(Strict):
    """How rows are written."""

    method: Literal["copy", "insert"] = Field(
        "copy", description="copy: one COPY and one commit a chunk; insert: one INSERT and one commit a row"
    )
    chunk_rows: int = Field(150_000, ge=1, le=100_000_000, description="rows a chunk aims at")


class Pool(Strict):
    """The daemon's pool of connections to the store."""

    maximum: int = Field(50, ge=2, le=1000, description="connections at most")
    minimum_idle: int = Field(20, ge=0, le=1000, description="connections kept open for the next who asks")
    connection_timeout_seconds: float = Field(30, gt=0, le=600, description="how long one waits for a connection")
    idle_timeout_seconds: float = Field(600, gt=0, le=86_400, description="after which an idle connection is closed")
    max_lifetime_seconds: float = Field(1800, gt=0, le=86_400, description="after which a connection is replaced")
    leak_seconds: float = Field(60, gt=0, le=86_400, description="held for longer, a connection is logged as leaked")

    @model_validator(mode="after")
    def _fits(self) -> "Pool":
        if self.minimum_idle > self.maximum:
            raise ValueError(f"minimum_idle {self.minimum_idle} is more than maximum {self.maximum}")
        return self


class Threads(Strict):
    """The daemon's threads, in which everything runs that waits for a database."""

    core: int = Field(20, ge=1, le=1000, description="threads that are started before anything is queued")
    maximum: int = Field(50, ge=1, le=1000, description="threads once the queue is full")
    queue: int = Field(200, ge=0, le=100_000, description="calls that wait; one more is refused")

    @model_validator(mode="after")
    def _fits(self) -> "Threads":
        if self.core > self.maximum:
            raise ValueError(f"core {self.core} is more than maximum {self.maximum}")
        return self


class Cache(Strict):
    """The cache of extraction configs."""

    enabled: bool = Field(True, description="false: every read asks the store")
    ttl_seconds: float = Field(300, gt=0, le=86_400, description="after which an entry is read anew")


Hours = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]


class SourceGuard(Strict):
    """What protects each source, and the store, from the agent. The limits hold for each of them."""

    enabled: bool = Field(True, description="false: chunks in flight as reading says, at full speed")
    max_connections: int = Field(
        10, ge=3, le=1000, description="sessions of one agent at one source: chunks, the guard's own, one that plans"
    )
    max_share_of_time: float = Field(1.0, ge=0.05, le=1, description="of its time that a chunk's relay works at most")
    quiet_hours: tuple[Hours, ...] = Field(
        (), description="HH:MM-HH:MM by the agent's clock, in which no chunk of a source is begun"
    )
    tolerated_rise: float = Field(
        0.15, ge=0.01, le=10, description="how much longer the source's answers may take because of us, 0.15: by 15 %"
    )
    tolerated_rise_of_store: float = Field(
        1.0, ge=0.01, le=100, description="the same at the store, which is there to be written to"
    )
    max_active_sessions: int | None = Field(
        None, ge=1, le=100_000, description="sessions of others at work at once, above which the guard backs off"
    )
    max_replication_lag_seconds: float | None = Field(
        30, gt=0, le=86_400, description="of its replicas, or its own, above which the guard backs off"
    )
    max_transaction_seconds: float | None = Field(
        None, gt=0, le=86_400, description="age of the oldest transaction of others, above which the guard backs off"
    )

    def is_quiet(self, now: time) -> bool:
        """Whether a time of the day lies in quiet hours."""
        return any(within(now, hours) for hours in self.quiet_hours)


def within(now: time, hours: Hours) -> bool:
    """Whether a time of the day lies in HH:MM-HH:MM, which may pass midnight."""
    begin, end = map(time.fromisoformat, hours.split("-"))
    return begin <= now < end if begin <= end else now >= begin or now < end


class StoreIndex(StrEnum):
    """The indexes of the store that a profile may ask for; queries of records and lists use them."""

    SOURCE_TYPE = "idx_extraction_config_source_type"
    STATUS_CREATED = "idx_extraction_status_created"
    EXTRACTED_AT = "idx_extraction_data_extracted_at"


class SourceIndex(Strict):
    """An index of a source's table, over its columns in this order."""

    database: Word = Field(description="the source's database, as its URL ends")
    table: Word = Field(description="a table, or schema.table")
    columns: tuple[Word, ...] = Field(min_length=1, max_length=32, description="its columns, in order")
    name: str = Field(
        pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="of the index; jivs_r… are kept for those being built"
    )

    @model_validator(mode="after")
    def _free(self) -> "SourceIndex":
        if self.name.startswith("jivs_r"):
            raise ValueError(f"the name {self.name} is kept for indexes that are being built: choose another")
        return self


class Indexes(Strict):
    """Indexes of databases. They belong to a rollout, not to a host: `extractctl indexes` builds and drops them."""

    store: tuple[StoreIndex, ...] = Field((), description="of the store, by their names")
    sources: tuple[SourceIndex, ...] = Field((), description="of sources: database, table, columns, name of each")

    @model_validator(mode="after")
    def _named_once(self) -> "Indexes":
        names = [*self.store, *((one.database, one.name) for one in self.sources)]
        twice = next((one for one in names if names.count(one) > 1), None)
        if twice is not None:
            raise ValueError(f"the index {twice if isinstance(twice, str) else twice[1]} is named twice")
        return self


class Settings(Strict):
    """All settings that exist so far."""

    reading: Reading = Field(default_factory=Reading)
    batch: Batch = Field(default_factory=Batch)
    pool: Pool = Field(default_factory=Pool)
    threads: Threads = Field(default_factory=Threads)
    cache: Cache = Field(default_factory=Cache)
    source_guard: SourceGuard = Field(default_factory=SourceGuard)
    indexes: Indexes = Field(default_factory=Indexes)

    @model_validator(mode="after")
    def _one_way(self) -> "Settings":
        if (self.reading.method == "offset") != (self.batch.method == "insert"):
            raise ValueError("reading.method offset and batch.method insert are the old way together: set both or none")
        return self


class Guards(Strict):
    """What takes a host back by itself while a generation is on trial."""

    throughput_records_per_minute: float = Field(
        10_000,
        ge=0,
        le=1_000_000_000,
        description="records per busy minute at least, judged while the chunks at hand hold enough of them",
    )
    throughput_busy_seconds: float = Field(
        10, ge=1, le=60, description="of the trial's last minute with a chunk in flight, before that is judged"
    )
    tolerated_rise_of_error_rate: float = Field(
        0.01, ge=0, le=1, description="of attempts at chunks that fail, against before the trial, in points"
    )
    error_window_seconds: float = Field(60, ge=5, le=600, description="of the trial's end in which attempts count")
    error_attempts: int = Field(
        50, ge=2, le=1_000_000, description="in the window, before they are judged; a lone failure never counts"
    )
    pool_exhausted_seconds: float = Field(
        5, ge=1, le=600, description="in which every connection of the pool is in use and callers wait"
    )


class Gates(Strict):
    """What a canary must keep to before other hosts follow: figures of its own, and its likeness to the others."""

    throughput_records_per_minute: float = Field(
        20_000, ge=0, le=1_000_000_000, description="records per busy minute at least"
    )
    error_rate: float = Field(0.01, ge=0, le=1, description="share of attempts at chunks that may fail")
    p95_seconds: float = Field(0.2, gt=0, le=600, description="95 % of the API's answers come sooner")
    p99_seconds: float = Field(0.5, gt=0, le=600, description="99 % of the API's answers come sooner")
    query_p95_seconds: float = Field(0.05, gt=0, le=600, description="95 % of the store's answers come sooner")
    pool_use: float = Field(0.8, gt=0, le=1, description="share of the pool's connections in use stays below")
    tolerated_fall_of_throughput: float = Field(
        0.075, gt=0, le=0.99, description="against the other hosts, 0.075: by 7.5 %; what is less does not matter"
    )
    tolerated_rise_of_p95: float = Field(0.05, gt=0, le=10, description="against the other hosts")
    tolerated_rise_of_p99: float = Field(0.1, gt=0, le=10, description="against the other hosts")
    tolerated_rise_of_query_p95: float = Field(0.1, gt=0, le=10, description="against the other hosts")
    tolerated_rise_of_error_rate: float = Field(
        0.01, gt=0, le=1, description="against the other hosts, in points: 0.01 from 2 % to 3 %"
    )
    tolerated_harm_to_neighbours: float = Field(
        0.2, gt=0, le=0.99, description="any of these on hosts that are not changed, while the canary is"
    )
    tolerated_harm_to_sources: float = Field(
        0.2, gt=0, le=10, description="longer round trips of a source while the canary is changed"
    )
    slots_at_most: int = Field(
        1200, ge=20, le=100_000, description="time slots in all, after which the verdict is given as it stands"
    )


class Profile(Strict):
    """A profile file."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    description: str
    extends: str | None = Field(None, description="a shipped profile whose sections this one changes")
    settings: Settings = Field(default_factory=Settings)
    guards: Guards = Field(default_factory=Guards)
    gates: Gates = Field(default_factory=Gates)


_INHERITED = ("settings", "guards", "gates")  # what a profile takes over from the one it extends


def restart_keys(before: Settings, after: Settings) -> list[str]:
    """What differs and cannot change while the agent runs: fields marked `json_schema_extra={"restart": True}`."""
    return [
        f"{group}.{name}"
        for group in Settings.model_fields
        for name, field in type(getattr(after, group)).model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("restart")
        if getattr(getattr(before, group), name) != getattr(getattr(after, group), name)
    ]


def shipped() -> list[str]:
    """Names of the profiles that come with the program."""
    return sorted(path.stem for path in _DIRECTORY.glob("*.yml"))


def schema() -> dict[str, Any]:
    """The JSON Schema of a profile file; tuning_profiles/schema.json is a copy."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Profile.model_json_schema()}


def load(name: str) -> Profile:
    """A shipped profile by name, or one from a file. Raises UsageError that names the nearest key or name."""
    return _build(name, ())


def _build(name: str, seen: tuple[str, ...]) -> Profile:
    text = _read(name)
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise errors.UsageError(f"Profile {name} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, dict):
        raise errors.UsageError(f"Profile {name} is not a mapping with name, description and settings.")
    base = data.get("extends")
    changes = {section: data.get(section) or {} for section in _INHERITED}
    if isinstance(base, str) and all(isinstance(one, dict) for one in changes.values()):  # else the model says
        if base in seen:
            raise errors.UsageError(f"Profile {name} extends itself: {' → '.join([*seen, base])}.")
        data |= _merged(_build(base, (*seen, name)).model_dump(include=set(_INHERITED)), changes)
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        raise errors.UsageError(f"Profile {name}: {explain(error, Profile)}") from error


def _read(name: str) -> str:
    if "/" in name or name.endswith((".yml", ".yaml")):
        return textfiles.read(Path(name), f"Profile file {name}")
    if name not in shipped():
        near = difflib.get_close_matches(name, shipped(), n=1)
        hint = f" Did you mean {near[0]}?" if near else f" Shipped are {', '.join(shipped())}."
        raise errors.UsageError(f"There is no profile {name}.{hint}")
    return (_DIRECTORY / f"{name}.yml").read_text(encoding="utf-8")


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        merged[key] = (
            _merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        )
    return merged


_LONGEST_KEY = 100  # letters of one that is quoted


def explain(error: ValidationError, model: type[Strict], most: int = 20) -> str:
    """A validation error as sentences, `most` of them; an unknown key with the nearest known one."""
    sentences = []
    for item in error.errors(include_url=False)[:most]:  # anybody may send a thousand
        path = ".".join(str(part)[:_LONGEST_KEY] for part in item["loc"])
        if item["type"] == "extra_forbidden":
            known = _keys_at(model, item["loc"][:-1])
            near = difflib.get_close_matches(str(item["loc"][-1])[:_LONGEST_KEY], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
            sentences.append(f"unknown key {path}: {hint}")
        else:
            told = item["msg"].removeprefix("Value error, ")
            sentences.append(f"{path}: {told[0].lower()}{told[1:]}." if path else f"{told[0].upper()}{told[1:]}.")
    if error.error_count() > most:
        sentences.append(f"And {error.error_count() - most} more.")
    return " ".join(sentences)


def _keys_at(model: type[Strict], path: tuple[int | str, ...]) -> list[str]:
    for part in path:
        if isinstance(part, str) and part in model.model_fields:  # else a place in what was named before
            annotation = model.model_fields[part].annotation
            model = next(one for one in (annotation, *get_args(annotation)) if _is_model(one))
    return list(model.model_fields)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Strict)
