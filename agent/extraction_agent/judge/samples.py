"""Samples: what one host, or one source, did in one time slot. JSON lines, raw.

Nothing is averaged before it is judged. A slot has the same number on every host. A sample carries the generation
its host ran when the slot began.
"""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from extraction_agent import errors, profiles
from extraction_agent.model import Strict, Word


def _buckets(value: Any) -> Any:
    """Cumulative counts by upper edge, {"0.05": 12, …, "+Inf": 20}, as Prometheus has them."""
    if not isinstance(value, dict):
        return value
    try:
        counted = {float(edge): count for edge, count in value.items()}
    except ValueError as error:
        raise ValueError("edges are seconds, or +Inf") from error
    counted = dict(sorted(counted.items()))
    if counted and (math.inf not in counted or any(math.isnan(edge) or edge <= 0 for edge in counted)):
        raise ValueError("edges are more than 0, and the last is +Inf")
    return counted


_STRETCH = 4  # of slots that still mix: with a host that is silent each takes up to 2 s more
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Buckets = Annotated[dict[float, Count], BeforeValidator(_buckets)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Sample(Strict):
    model_config = ConfigDict(strict=True)  # true is not 1, "7" is not 7

    rollout: Annotated[int, Field(ge=0, description="the number of the rollout they were taken for")]
    slot: Annotated[int, Field(ge=0, lt=100_000, description="number of the time slot, the same on every host")]
    started_at: AwareDatetime
    seconds: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False, description="how long the slot was")]


class HostSample(_Sample):
    """One host in one slot: differences of its counters, and gauges."""

    host: Word
    generation: Annotated[int, Field(ge=0)]
    trial: Annotated[bool, Field(description="it runs the generation under trial")]
    busy_seconds: Annotated[Seconds, Field(description="with a chunk in flight")]
    records: Annotated[Count, Field(description="committed")]
    attempts: Annotated[Count, Field(description="at chunks, ended")]
    failures: Annotated[Count, Field(description="of these")]
    requests: Annotated[Buckets, Field(description="answers of the API by upper edge", default_factory=dict)]
    queries: Annotated[Buckets, Field(description="statements at the store by upper edge", default_factory=dict)]
    pool_use: Annotated[float | None, Field(ge=0, le=1, description="share of the pool's connections in use")] = None

    @model_validator(mode="after")
    def _fits(self) -> "HostSample":
        for name, buckets in (("requests", self.requests), ("queries", self.queries)):
            counts = list(buckets.values())
            if counts != sorted(counts):
                raise ValueError(f"{name}: the counts are not cumulative")
        if self.failures > self.attempts:
            raise ValueError(f"failures {self.failures} are more than attempts {self.attempts}")
        return self


class SourceSample(_Sample):
    """One source in one slot, as a look from outside felt it."""

    source: Word
    round_trip_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)]


Sample = HostSample | SourceSample


def quantile(buckets: dict[float, int], share: float) -> float:
    """In seconds; exact where it meets an edge. NaN without a count, or when it is beyond every edge but +Inf.

    Between two edges what is slower falls off by a power of the time. Prometheus' straight line there makes half of a
    change disappear: a change of 20 % was read as 10 to 15 %.
    """
    total = buckets.get(math.inf, 0)
    slower, lower = total * 1.0, 0.0
    wanted = total - share * total  # that many are slower
    for edge, count in buckets.items():
        left = float(total - count)
        if left <= wanted and left < slower:
            if edge == math.inf:
                break
            left = max(left, 0.5)  # less than one, though none was seen
            if left >= wanted:
                return edge
            if lower == 0:
                return edge * (slower - wanted) / (slower - left)
            return lower * math.exp(math.log(edge / lower) * math.log(slower / wanted) / math.log(slower / left))
        slower, lower = left, edge
    return lower if total and 0 < lower < math.inf else math.nan


def read(paths: Iterable[Path]) -> list[Sample]:
    """All samples of the files. Raises UsageError that names file and line of the first that is not as it must be."""
    samples: list[Sample] = []
    checks = _Checks()
    for path in paths:
        for number, line in enumerate(_lines(path), 1):
            where = f"{path} line {number}"
            sample = _parse(line, where)
            checks.take(sample, where)
            samples.append(sample)
    if not samples:
        raise errors.UsageError("There are no samples: take some of every host, then judge.")
    return samples


def _lines(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise errors.UsageError(f"Samples file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise errors.UsageError(f"Samples file {path} is not UTF-8 text.") from error
    if not text.strip():
        raise errors.UsageError(f"Samples file {path} is empty.")
    lines = text.split("\n")
    if lines.pop():
        raise errors.UsageError(f"{path} line {len(lines) + 1} is cut short: the file does not end with a line's end.")
    yield from lines


def _parse(line: str, where: str) -> Sample:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise errors.UsageError(f"{where} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise errors.UsageError(f"{where} is not a JSON object with the fields of a sample.")
    model: type[Sample] = SourceSample if "source" in value else HostSample
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        raise errors.UsageError(f"{where}: {profiles.explain(error, model)}") from error


class _Checks:
    """What must hold between samples."""

    def __init__(self) -> None:
        self._first: tuple[Sample, str] | None = None
        self._seen: dict[tuple[str, str, int], str] = {}
        self._begun: dict[int, tuple[Sample, str]] = {}

    def take(self, sample: Sample, where: str) -> None:
        """Raises UsageError if it does not go with those before."""
        first, there = self._first = self._first or (sample, where)
        if sample.rollout != first.rollout:
            raise errors.UsageError(
                f"{where} is of rollout {sample.rollout}, {there} of rollout {first.rollout}: judge one at a time."
            )
        if not 1 / _STRETCH <= sample.seconds / first.seconds <= _STRETCH:
            raise errors.UsageError(
                f"{where} is of a slot of {sample.seconds:g} s, {there} of one of {first.seconds:g} s: they do not mix."
            )
        kind, name = ("source", sample.source) if isinstance(sample, SourceSample) else ("host", sample.host)
        twice = self._seen.setdefault((kind, name, sample.slot), where)
        if twice != where:
            raise errors.UsageError(f"{where} has {kind} {name} in slot {sample.slot} again, after {twice}.")
        other, elsewhere = self._begun.setdefault(sample.slot, (sample, where))
        apart = abs((sample.started_at - other.started_at).total_seconds())
        if apart >= 2 * sample.seconds:
            raise errors.UsageError(
                f"{where} has slot {sample.slot} {apart:g} s apart from {elsewhere}: slots are numbered differently, "
                "or clocks disagree."
            )
