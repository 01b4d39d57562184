"""k6's results in each form it writes them: as the load tests keep them, its summaries, and its full output.

The full output (`--out json=FILE`) has a line for every figure of every request, millions of them: it is read line by
line, and of it the durations alone are kept.
"""

import gzip
import json
import math
import re
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, get_args

from pydantic import ValidationError

from extraction_agent import errors, profiles
from extraction_agent.report.evidence import VERSION, Load, Shape

_SLACK = 0.98  # of its planned length, less the seconds in which nobody asks; what was shorter was aborted
_QUIET = 2.0  # s
_GZIP = b"\x1f\x8b"
_MOST = 256 * 1024 * 1024  # bytes of a file that is read as a whole
_JUDGED = re.compile(r"^http_req_duration\{profile:([^,}]+),shape:([^,}]+),scenario:default,expected_response:true\}$")
_QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}
_NAMES = {"p50": "med", "p75": "p(75)", "p90": "p(90)", "p95": "p(95)", "p99": "p(99)", "p999": "p(99.9)", "max": "max"}
_NEEDED = ("p50", "p95", "p99", "max")
EXTRACTIONS_FAILED = ("k6", "metrics", "extractions_failed", "values", "count")  # where a load tells of it
_FOREIGN = "it is not of load-tests/extraction-*.js, so nothing says which profile and shape it measured"


def read(path: Path) -> Load:
    """One run of a load test, whichever of k6's files it is. Raises UsageError that says what the file lacks."""
    with _opened(path) as file:
        head = file.read(1)
        if not head:
            raise errors.UsageError(f"{path} is empty: k6 was ended before it wrote anything, or never began.")
        file.seek(0)
        first = file.readline(65536)
        file.seek(0)
        if _is_point(first):
            return _of_points(path, file)
        text = file.read(_MOST + 1)
    if len(text) > _MOST:
        raise errors.UsageError(f"{path} is larger than any summary of k6, and is not its full output (--out json).")
    return _of_text(path, text)


def pool_timeouts(load: Load) -> int | None:
    """Callers that got no connection in time, by the agent's metrics. None: not known."""
    if load.pools:
        return sum(pool.timeouts for pool in load.pools.values())
    return _counted(load.k6, "pool_timeouts")


def extractions_failed(load: Load) -> int | None:
    """Of those the users started. None: not known."""
    return _counted(load.k6, "extractions_failed")


def _counted(summary: dict[str, Any], name: str) -> int | None:
    metrics = summary.get("metrics")
    metric = metrics.get(name) if isinstance(metrics, dict) else None
    count = _values(metric).get("count")
    return int(count) if isinstance(count, int | float) else None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, unpacked if it is packed."""
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == _GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            yield file  # type: ignore[misc]  # both are files of bytes
    except EOFError as error:
        raise errors.UsageError(f"{path} is cut short: its gzip data has no end.") from error
    except OSError as error:
        raise errors.UsageError(f"The result {path} cannot be read: {error.strerror or error}.") from error


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # UnicodeDecodeError is one
        return None


def _is_point(line: bytes) -> bool:
    value = _json(line)
    return isinstance(value, dict) and value.get("type") in ("Metric", "Point") and "metric" in value


# Summaries


def _of_text(path: Path, text: bytes) -> Load:
    try:
        value = json.loads(text)
    except ValueError as error:
        cut = "cut short" if text.lstrip()[:1] == b"{" and text.rstrip()[-1:] != b"}" else "not JSON"
        raise errors.UsageError(f"{path} is {cut}: {error}. Measure again.") from error
    if isinstance(value, dict) and value.get("kind") == "load":
        return _kept(path, value, text)
    if isinstance(value, dict) and isinstance(value.get("metrics"), dict):
        return _of_summary(path, value)
    raise errors.UsageError(f"{path} is JSON, but no result of k6: it has neither kind: load nor metrics.")


def _kept(path: Path, value: dict[str, Any], text: bytes) -> Load:
    latency = value.get("latency_seconds")
    if not value.get("requests") or not isinstance(latency, dict):
        raise errors.UsageError(f"{path} holds no request: k6 failed before its users began. Its own words say why.")
    missing = [name for name in _NEEDED if latency.get(name) is None]
    if missing:
        raise errors.UsageError(f"{path} lacks {', '.join(missing)}: no request was served.")
    try:
        return Load.model_validate_json(text)
    except ValidationError as error:
        raise errors.UsageError(f"{path}: {profiles.explain(error, Load)}") from error


def _of_summary(path: Path, value: dict[str, Any]) -> Load:
    """What handleSummary is given, or what --summary-export writes: there a metric's values are not set apart."""
    metrics: dict[str, Any] = value["metrics"]
    found = [match for name in metrics if (match := _JUDGED.match(name))]
    if len(found) != 1:
        known = ", ".join(sorted(metrics)[:5]) or "no metric"
        raise errors.UsageError(f"{path} is a summary of k6 with {known} …: {_FOREIGN}.")
    profile, shape = found[0].groups()
    suffix = f"{{profile:{profile},shape:{shape},scenario:default}}"

    def of(name: str, value: str) -> float:
        told = _values(metrics.get(name)).get(value)
        if not isinstance(told, int | float):
            raise errors.UsageError(f"{path} lacks {value} of {name.partition('{')[0]}: it is cut short or foreign.")
        return float(told)

    requests = of(f"http_reqs{suffix}", "count")
    rate = of(f"http_reqs{suffix}", "rate")
    if not requests or not rate:
        raise errors.UsageError(f"{path} holds no request: k6 failed before its users began. Its own words say why.")
    state = value.get("state")
    told = state.get("testRunDurationMs") if isinstance(state, dict) else None
    latency = {name: _values(metrics[found[0].group()]).get(key) for name, key in _NAMES.items()}
    if latency["max"] == 0:  # as k6 has it of no request
        raise errors.UsageError(f"{path} holds {int(requests):,} requests, of which none was served.")
    moved = _counted(value, "records_beside")
    return _made(
        path,
        _Told(
            profile, shape,
            _optional(metrics, "planned_scale", "value"), _optional(metrics, "planned_seconds", "value"),
            int(_optional(metrics, "vus_max", "max") or _optional(metrics, "vus_max", "value") or 0),
            (told / 1000 if isinstance(told, int | float) else requests / rate)
            - (_optional(metrics, "setup_seconds", "value") or 0),
            datetime.fromtimestamp(path.stat().st_mtime, UTC), int(requests),
            int(of(f"errors{suffix}", "passes")), int(of(f"refused{suffix}", "passes")),
            {name: float(ms) / 1000 for name, ms in latency.items() if isinstance(ms, int | float)}, moved,
        ),
        {"metrics": {name: {"values": _values(metric)} for name, metric in metrics.items()}},
    )  # fmt: skip


def _values(metric: Any) -> dict[str, Any]:
    if not isinstance(metric, dict):
        return {}
    values = metric.get("values", metric)
    return values if isinstance(values, dict) else {}


def _optional(metrics: dict[str, Any], name: str, value: str) -> float | None:
    told = _values(metrics.get(name)).get(value)
    return float(told) if isinstance(told, int | float) else None


# The full output


@dataclass(slots=True)
class _Points:
    """What is kept of a full output while it is read."""

    profile: str = ""
    shape: str = ""
    served: "array[float]" = field(default_factory=lambda: array("d"))  # ms
    requests: int = 0
    sums: dict[str, float] = field(default_factory=dict)  # of other metrics of the users that are judged
    latest: dict[str, float] = field(default_factory=dict)
    users: int = 0
    first: str = ""
    last: str = ""

    def take(self, metric: str, data: dict[str, Any]) -> None:
        """One point of a metric that is wanted."""
        tags, value = data.get("tags") or {}, float(data["value"])
        if metric in _LATEST:
            self.latest[metric] = value
        elif metric == "vus_max":
            self.users = max(self.users, int(value))
        elif metric in _SUMMED:
            self.sums[metric] = self.sums.get(metric, 0) + value
        elif tags.get("scenario") == "default":
            self._take_of_users(metric, tags, value, str(data["time"]))

    def _take_of_users(self, metric: str, tags: dict[str, str], value: float, time: str) -> None:
        self.profile, self.shape = tags.get("profile", ""), tags.get("shape", "")
        if metric == "http_reqs":
            self.requests += 1
            self.first, self.last = self.first or time, time
        elif metric == "http_req_duration":
            if tags.get("expected_response") == "true":
                self.served.append(value)
        else:
            self.sums[metric] = self.sums.get(metric, 0) + value


_LATEST = ("planned_seconds", "planned_scale")
_SUMMED = ("pool_timeouts", "records_beside", "extractions_failed")
_WANTED = re.compile(
    rb'"metric":\s*"(http_req_duration|http_reqs|errors|refused|vus_max|'
    + "|".join((*_LATEST, *_SUMMED)).encode()
    + rb')"'
)


def _of_points(path: Path, file: IO[bytes]) -> Load:
    points, line, number = _Points(), b"", 0
    for number, line in enumerate(file, 1):
        wanted = _WANTED.search(line)
        if wanted is None or b'"Point"' not in line:
            continue
        value = _json(line)
        try:
            points.take(value["metric"], value["data"])
        except (TypeError, KeyError, ValueError) as error:
            raise errors.UsageError(f"{path} line {number} is cut short or no point of k6. Measure again.") from error
    if not line.endswith(b"\n"):
        raise errors.UsageError(f"{path} line {number} is cut short: k6 was ended while it wrote. Measure again.")
    if not points.requests or not points.served:
        raise errors.UsageError(f"{path} holds no served request of the users: k6 failed before they began.")
    if not points.profile or not points.shape:
        raise errors.UsageError(f"{path} is the full output of k6, but {_FOREIGN}.")
    served = sorted(points.served)
    begun, ended = datetime.fromisoformat(points.first), datetime.fromisoformat(points.last)
    moved = points.sums.get("records_beside")
    return _made(
        path,
        _Told(
            points.profile, points.shape, points.latest.get("planned_scale"), points.latest.get("planned_seconds"),
            points.users, (ended - begun).total_seconds(), ended, points.requests,
            int(points.sums.get("errors", 0)), int(points.sums.get("refused", 0)),
            {name: quantile(served, share) / 1000 for name, share in _QUANTILES.items()},
            None if moved is None else int(moved),
        ),
        {"metrics": {name: {"values": {"count": points.sums[name]}} for name in _SUMMED if name in points.sums}},
    )  # fmt: skip


def quantile(ordered: list[float], share: float) -> float:
    """Between two values as k6 does it, by a straight line."""
    at = share * (len(ordered) - 1)
    lower, upper = ordered[math.floor(at)], ordered[math.ceil(at)]
    return lower + (upper - lower) * (at - math.floor(at))


# Both


@dataclass(frozen=True, slots=True)
class _Told:
    profile: str
    shape: str
    scale: float | None
    planned: float | None  # s
    users: int
    seconds: float
    at: datetime
    requests: int
    failed: int
    refused: int
    latency: dict[str, float]
    records: int | None


def _made(path: Path, told: _Told, summary: dict[str, Any]) -> Load:
    missing = [_NAMES[name] for name in _NEEDED if name not in told.latency]
    if missing:
        raise errors.UsageError(f"{path} lacks {', '.join(missing)} of http_req_duration: give --summary-trend-stats.")
    if told.scale is None or told.planned is None:
        raise errors.UsageError(f"{path} does not say how long the load was to be: k6 failed before its users began.")
    if told.shape not in get_args(Shape):
        raise errors.UsageError(f"{path} is of a shape {told.shape}; known are {', '.join(get_args(Shape))}.")
    values = {
        "kind": "load", "version": VERSION, "scenario": UNNAMED, "measured_at": told.at,
        "command": f"k6 run (read from {path.name})", "profile": told.profile, "shape": told.shape,
        "scale": told.scale, "users": told.users, "seconds": min(told.seconds, told.planned),
        "aborted": told.seconds < _SLACK * told.planned - _QUIET, "requests": told.requests, "failed": told.failed,
        "refused": told.refused, "latency_seconds": told.latency,
        "records_per_minute": None if told.records is None else 60 * told.records / told.seconds, "k6": summary,
    }  # fmt: skip
    try:
        return Load.model_validate(values)
    except ValidationError as error:
        raise errors.UsageError(f"{path}: {profiles.explain(error, Load)}") from error


UNNAMED = "unnamed"  # the scenario of a run of k6 that was not told one
