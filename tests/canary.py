"""Raw samples of a made-up rollout, line by line as a gate would write them."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
EDGES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.5, 1, math.inf)
RUN = 6  # slots of each A and B
SLOTS = 30 * RUN * 4


@dataclass(frozen=True, slots=True)
class Rollout:
    """h1 is the canary of h1 to h4; db1 is their source. Factors hold for the canary under the new settings."""

    p95: float = 1.0
    throughput: float = 1.0
    neighbours: float = 1.0  # of the others' throughput meanwhile
    source: float = 1.0
    failing: float = 0.0
    slots: int = SLOTS
    switched: bool = True
    seed: int = 7

    def samples(self) -> list[dict[str, Any]]:
        rng = np.random.default_rng(self.seed)
        made = []
        for slot in range(self.slots):
            new = slot // RUN % 4 in (1, 2) if self.switched else slot >= self.slots // 2
            common = rng.lognormal(0, 0.05)
            for number in range(1, 5):
                trial = new and number == 1
                moved = 30_000 * rng.lognormal(0, 0.03) / common
                moved *= (self.throughput if trial else 1) * (self.neighbours if new and number > 1 else 1)
                slower = common * (1 + 0.02 * number) * (self.p95 if trial else 1)
                made.append(
                    _slot(slot)
                    | {
                        "host": f"h{number}", "generation": 2 if trial else 1, "trial": trial,
                        "busy_seconds": 1.0, "records": round(moved / 60), "attempts": 50,
                        "failures": int(rng.binomial(50, self.failing)) if trial else 0,
                        "requests": _buckets(0.06 * slower * rng.lognormal(0, 0.4, 400)),
                        "queries": _buckets(0.008 * slower * rng.lognormal(0, 0.4, 400)),
                        "pool_use": 0.4,
                    }
                )  # fmt: skip
            trip = 0.001 * common * rng.lognormal(0, 0.03) * (self.source if new else 1)
            made.append(_slot(slot) | {"source": "db1", "round_trip_seconds": trip})
        return made


def _slot(slot: int) -> dict[str, Any]:
    return {"rollout": 1, "slot": slot, "started_at": (BEGAN + timedelta(seconds=slot)).isoformat(), "seconds": 1.0}


def _buckets(seconds: "np.typing.NDArray[np.float64]") -> dict[str, int]:
    return {"+Inf" if math.isinf(edge) else str(edge): int((seconds <= edge).sum()) for edge in EDGES}


def write(path: Path, samples: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in samples), encoding="utf-8")
    return path
