"""An agent's /metrics: the figures that samples are made of."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_POOL = 'pool="store"'  # the profile's; lanes of chunks are full whenever there is work
_API = "/api/"  # begins the routes that people wait for: an agent's speed for scrapes and probes is no user's
_WAYS = ("done", "failed")  # in which an attempt at a chunk counts


class Figures(NamedTuple):
    """At one moment; counts since the agent started."""

    generation: int
    trial: bool
    busy: float
    records: int
    attempts: int
    failures: int
    requests: dict[str, int]  # the API's answers to its users by upper edge, cumulative; empty: nobody asked
    queries: dict[str, int]
    pool_use: float | None
    round_trips: dict[str, float]  # by source, the latest


def figures(text: str) -> Figures:
    """Raises ValueError if it is not an agent's."""
    found = _parse(text)
    if ("extraction_generation", "") not in found:
        raise ValueError("its /metrics have no extraction_generation, so it is no agent of this version")
    chunks = {way: found.get(("extraction_chunks_total", f'result="{way}"'), 0.0) for way in _WAYS}
    maximum = found.get(("hikari_pool_max_connections", _POOL))
    return Figures(
        generation=int(found["extraction_generation", ""]),
        trial=bool(found.get(("extraction_trial", ""))),
        busy=_sum(found, "extraction_busy_seconds_total"),
        records=int(_sum(found, "extraction_records_extracted_total")),
        attempts=int(sum(chunks.values())),
        failures=int(chunks["failed"]),
        requests=_buckets(found, "http_request_duration_seconds_bucket", _API),
        queries=_buckets(found, "extraction_query_duration_seconds_bucket"),
        pool_use=min(found["hikari_pool_active_connections", _POOL] / maximum, 1.0) if maximum else None,
        round_trips={
            dict(_LABEL.findall(labels)).get("source", ""): value
            for (name, labels), value in found.items()
            if name == "extraction_guard_round_trip_seconds" and value > 0
        },
    )


def sample(before: Figures, after: Figures) -> dict[str, Any] | None:
    """What happened between the two. None: the agent has started anew, or gone over to another generation."""
    if (before.generation, before.trial) != (after.generation, after.trial):
        return None
    counted = {name: getattr(after, name) - getattr(before, name) for name in ("records", "attempts", "failures")}
    made = {
        "generation": before.generation,
        "trial": before.trial,
        "busy_seconds": round(after.busy - before.busy, 6),
        **counted,
        "requests": _between(before.requests, after.requests),
        "queries": _between(before.queries, after.queries),
        "pool_use": after.pool_use,
    }
    falling = [made["busy_seconds"], *counted.values(), *made["requests"].values(), *made["queries"].values()]
    return made if min(falling) >= 0 else None


def _parse(text: str) -> dict[tuple[str, str], float]:
    found = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is not None:
            found[match.group(1), match.group(2) or ""] = float(match.group(3))
    return found


def _sum(found: dict[tuple[str, str], float], name: str) -> float:
    return sum(value for (one, _labels), value in found.items() if one == name)


def _buckets(found: dict[tuple[str, str], float], name: str, routes: str = "") -> dict[str, int]:
    """Over all labels, by upper edge. routes: how a route must begin to count, if it is of requests."""
    total: dict[str, int] = {}
    for (one, labels), value in found.items():
        if one == name:
            told = dict(_LABEL.findall(labels))
            if told.get("route", "").startswith(routes):
                total[told["le"]] = total.get(told["le"], 0) + int(value)
    return total


def _between(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {edge: count - before.get(edge, 0) for edge, count in after.items()}
