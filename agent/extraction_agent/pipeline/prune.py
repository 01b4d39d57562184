"""Retires what is old: which extractions may go, and their going."""

from dataclasses import dataclass
from typing import Any

from extraction_agent import errors
from extraction_agent.sources.columns import hint
from extraction_agent.store import retention
from extraction_agent.store.retention import Prunable
from extraction_agent.store.store import Config, Store

_DAY = 86_400.0  # s


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went, or would go."""

    extractions: list[Prunable]
    skipped: list[int]  # resumed or locked by somebody at that moment
    dry_run: bool

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.extractions)

    @property
    def not_again(self) -> list[str]:
        """Configs of which no run brings back rows that go, unless they change: their watermarks are past them."""
        return sorted({one.config for one in self.extractions if one.passed and one.rows})

    def as_dict(self) -> dict[str, Any]:
        return {
            "dry_run": self.dry_run,
            "rows": self.rows,
            "extractions": [one.as_dict() for one in self.extractions],
            "skipped": self.skipped,
            "not_again": self.not_again,
        }


def known_config(store: Store, name: str) -> Config:
    """A config by name. Raises UsageError that names the nearest."""
    config = store.config(name)
    if config is None:
        raise errors.UsageError(f"There is no config {name}.{hint(name, store.config_names())}")
    return config


def prune(store: Store, older_than_days: float, config: str | None, keep: int, *, dry_run: bool) -> Pruned:
    """Retire finished extractions older than that, but for the newest `keep` successes of each config."""
    config_id = None if config is None else known_config(store, config).id
    found = retention.prunable(store, older_than_days * _DAY, config_id, keep)
    return _pruned(store, found, dry_run=dry_run)


def prune_these(store: Store, extraction_ids: list[int]) -> Pruned:
    """Retire some finished extractions, however young."""
    return _pruned(store, retention.prunable(store, 0.0, None, 0, extraction_ids), dry_run=False)


def _pruned(store: Store, found: list[Prunable], *, dry_run: bool) -> Pruned:
    if dry_run:
        return Pruned(found, [], dry_run=True)
    retired = retention.retire(store, found)
    gone = {one.extraction_id for one in retired}
    return Pruned(retired, [one.extraction_id for one in found if one.extraction_id not in gone], dry_run=False)
