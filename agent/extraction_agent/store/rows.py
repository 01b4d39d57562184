"""What the store's rows are to the program: a config, an extraction, a chunk."""

from dataclasses import dataclass
from typing import Any

from extraction_agent import model


@dataclass(frozen=True, slots=True)
class Config:
    """A saved description of what to extract. source_url never holds a password."""

    id: int
    name: str
    source_type: str
    source_url: str
    secret: str | None
    definition: model.Definition


@dataclass(frozen=True, slots=True)
class Extraction:
    """One run of a config, as its workers need it."""

    id: int
    config: Config
    status: model.Status
    plan: model.Plan
    settings: dict[str, Any]  # profiles.Settings
    target: str
    part: str | None
    attached: bool
    snapshot: str | None
    watermark: dict[str, Any] | None

    @property
    def table(self) -> str:
        """Where its rows are written: its part, else the table itself."""
        return self.part or self.target


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk with its state, for verify and `show`."""

    no: int
    range: model.Chunk
    state: str
    attempt: int
    failures: int
    error: str | None
    agent: str | None
    rows: int | None
    bytes: int | None
    hash: int | None
