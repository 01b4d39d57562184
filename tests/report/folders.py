"""Run folders of known figures: a whole one that ends GO, and what a test changes in it."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

SCENARIO = "A test of the report"
HEAD = {"version": 1, "scenario": SCENARIO, "measured_at": "2026-11-26T12:00:00Z"}
EDGES = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.5)
POOL = {"active_most": 9, "most": 10, "use_mean": 0.4, "use_p95": 0.6, "timeouts": 0}

Content = dict[str, Any]


def whole() -> dict[str, Content]:
    """Every file of a run that ends GO, by name."""
    return {
        "scenario.yml": {
            "name": SCENARIO,
            "description": "Old way against new.",
            "floors": {"throughput_records_per_minute": 20_000},
            "load": {"shapes": ["steady"]},
            "risks": [{"risk": "The source may suffer.", "level": "MEDIUM", "answer": "The guard watches it."}],
            "lessons": ["Rows are best never touched."],
        },
        "testing/machine.json": {
            "kind": "machine", **HEAD, "cores": 2, "processor": "a processor", "memory_gib": 24.0, "kernel": "6.1",
            "system": "Debian 12", "python": "3.11", "load_average": [0.1, 0.2, 0.3], "versions": {"psycopg": "3.3"},
        },
        "testing/throughput.json": {
            "kind": "throughput", **HEAD, "command": "measure", "rows": 10_000, "columns": 8,
            "profiles": {
                "baseline": {"runs": [run(n, 10_000, 60 * (1 + n / 100), 50e6) for n in range(1, 6)]},
                "optimized": {"runs": [run(n, 10_000, 1 + n / 100, 52e6) for n in range(1, 6)]},
            },
        },
        "testing/resources.json": {
            "kind": "resources", **HEAD, "command": "measure", "offered_records_per_minute": 20_000.0,
            "profiles": {
                "baseline": {"runs": [run(n, 20_000, 60, 50e6 + n * 1e5, 30) for n in range(1, 6)]},
                "optimized": {"runs": [run(n, 20_000, 60, 52e6 + n * 1e5, 6) for n in range(1, 6)]},
            },
        },
        "testing/queries.json": {
            "kind": "queries", **HEAD, "command": "measure",
            "profiles": {
                "baseline": queries(0.02, 0.4),
                "optimized": queries(0.008, 0.003),
            },
        },
        "testing/load/baseline-steady.json": load("baseline", 0.04),
        "testing/load/optimized-steady.json": load("optimized", 0.03),
        "testing/tests.json": {
            "kind": "tests", **HEAD, "command": "pytest", "passed": 1000, "failed": 0, "skipped": 2, "deselected": 60,
            "seconds": 900.0,
        },
    }  # fmt: skip


def run(number: int, records: int, seconds: float, memory: float, cpu: float = 0.5) -> Content:
    return {
        "round": number, "started_at": "2026-11-26T11:00:00Z", "records": records, "seconds": seconds,
        "records_per_minute": 60 * records / seconds, "agent_cpu_seconds": cpu + number / 100,
        "source_cpu_seconds": 4.0 + number / 50, "store_cpu_seconds": 8.0 + number / 50,
        "rss_peak_bytes": int(memory), "connections_most": 12, "pools": {"store": POOL},
        "samples": [sample(at, 0.01, 1.0 + 0.01 * math.sin(at)) for at in range(8)],
    }  # fmt: skip


def queries(p95: float, slowest: float) -> Content:
    return {
        "runs": [
            {"round": n, "count": 1000, "p50_seconds": p95 / 4, "p95_seconds": p95 * (1 + n / 100)} for n in range(1, 6)
        ],
        "statements": [
            {"name": "records", "calls": 100, "mean_seconds": slowest / 3, "p95_seconds": slowest, "plan": "Index Scan"}
        ],
    }


def load(profile: str, p95: float, shape: str = "steady", **changes: Any) -> Content:
    """A steady load whose latency wavers a little from second to second."""
    samples = [sample(at, p95 * (1 + 0.05 * math.sin(2.4 * at)), 0.5) for at in range(240)]
    return {
        "kind": "load", **HEAD, "command": "k6 run", "profile": profile, "shape": shape, "scale": 1.0, "users": 100,
        "seconds": 1800.4, "aborted": False, "requests": 170_000, "failed": 3, "refused": 0,
        "latency_seconds": {
            "p50": p95 / 3, "p75": p95 / 2, "p90": p95 / 1.2, "p95": p95, "p99": p95 * 2, "p999": p95 * 4, "max": 1.2,
        },
        "pools": {"store": POOL, "source": {**POOL, "use_p95": 0.2}}, "records_per_minute": 500_000.0,
        "samples": samples, "k6": {"metrics": {"extractions_failed": {"values": {"count": 0}}}}, **changes,
    }  # fmt: skip


def sample(at: int, p95: float, cpu: float) -> Content:
    """One second, in which 95 of 100 answers came within `p95`."""
    counts = {str(edge): round(100 * (1 - 0.05 ** (edge / p95))) for edge in EDGES}
    return {
        "at_seconds": float(at), "seconds": 1.0, "records": 8000, "busy_seconds": 1.0, "attempts": 2, "failures": 0,
        "pool_use": 0.3 + min(4 * p95, 0.5) + 0.1 * math.sin(at / 7), "cpu": cpu,
        "requests": {**counts, "+Inf": 100}, "queries": {**counts, "+Inf": 100},
        "rss_bytes": round(50_000_000 + 1e8 * p95 + 4000 * at),
    }  # fmt: skip


def history() -> Content:
    """Of two configs: one that ran before and after, one that is new."""

    def jobs(first: int, day: int, *seconds: float) -> list[Content]:
        return [
            {
                "extraction_id": first + n,
                "created_at": f"2026-11-{day:02}T0{n}:00:00Z",
                "seconds": one,
                "rows": 1_000_000,
            }
            for n, one in enumerate(seconds)
        ]

    return {
        "kind": "history", **HEAD, "changed_at": "2026-11-20T00:00:00Z",
        "configs": {
            "orders": {
                "before": {"succeeded": jobs(1, 10, 21_600, 22_000, 21_000), "failed": jobs(9, 11, 300)},
                "after": {"succeeded": jobs(20, 21, 700, 720), "failed": []},
            },
            "items/new": {
                "before": {"succeeded": [], "failed": []},
                "after": {"succeeded": jobs(30, 22, 60), "failed": []},
            },
        },
    }  # fmt: skip


def write(path: Path, files: dict[str, Content], without: Iterable[str] = ()) -> Path:
    """Returns the folder."""
    for name, content in files.items():
        if name in without:
            continue
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(content) if name.endswith(".yml") else json.dumps(content)
        file.write_text(text, encoding="utf-8")
    return path
