"""What the interface takes and gives, as strict models. No field of them can hold a credential."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StringConstraints, WithJsonSchema

from extraction_agent import errors, secrets
from extraction_agent.config import Name
from extraction_agent.interfaces.api.operations import redacted
from extraction_agent.model import INTEGRAL, Definition, Format, Status, Strict, Summary
from extraction_agent.sources import allowed
from extraction_agent.store.rows import Config

Id = Annotated[int, Field(ge=1, le=2**63 - 1), INTEGRAL]
ConfigName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
SourceUrl = Annotated[  # checked by sources/allowed.py, which says in words what is wrong
    str,
    StringConstraints(max_length=2000),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 2000,
            "pattern": allowed.SHAPE,
            "examples": ["postgresql://reader@db1.example:5432/shop"],
        }
    ),
]


class Page(Strict):
    """One page of a list."""

    after: Id | None = Field(None, description="the `next` of the page before; without it the first page")
    limit: int = Field(100, ge=1, le=1000, description="how many at most")


class ConfigBody(Strict):
    """What to extract, and from where."""

    source_url: SourceUrl = Field(description="postgresql://user@host:port/database, without a password")
    secret: Name | None = Field(None, description="the name of the secret that holds the source's password")
    definition: Definition


class NewConfig(ConfigBody):
    """An extraction config to be kept."""

    name: ConfigName


class ConfigView(BaseModel):
    """An extraction config."""

    id: int
    name: str
    source_type: str
    source_url: str
    secret: str | None
    definition: Definition

    @classmethod
    def of(cls, config: Config) -> Self:
        return cls(
            id=config.id,
            name=config.name,
            source_type=config.source_type,
            source_url=_without_password(config.source_url),
            secret=config.secret,
            definition=config.definition,
        )


class ConfigPage(BaseModel):
    """Extraction configs, by number."""

    configs: list[ConfigView]
    next: int | None = Field(description="give it as `after` to get the next page; null: this is the last")


class NewExtraction(Strict):
    """An extraction to begin."""

    config_id: Id


class ExtractionView(BaseModel):
    """One run of a config."""

    extraction_id: int
    config: str = Field(description="the config's name")
    status: Status
    rows: int
    bytes: int
    chunks: int
    chunks_done: int
    chunks_running: int
    estimated_rows: int
    seconds: float
    rows_per_minute: float
    format: Format
    created_at: datetime
    error: str | None = Field(description="why it has failed")
    trouble: str | None = Field(
        description="while it runs: what a chunk met last that is not done yet; it is tried again, and this may be over"
    )
    notes: list[str]
    watermark: dict[str, Any] | None

    @classmethod
    def of(cls, summary: Summary) -> Self:
        return cls(
            **{
                **summary.as_dict(),
                "status": summary.status,
                "seconds": summary.seconds,
                "format": summary.format,
                "created_at": summary.created_at,
                "chunks_running": summary.chunks_running,
                "estimated_rows": summary.estimated_rows,
                "error": redacted(summary.error),
                "trouble": redacted(summary.trouble),
            }
        )


class ExtractionPage(BaseModel):
    """Extractions, newest first."""

    extractions: list[ExtractionView]
    next: int | None = Field(description="give it as `after` to get the next page; null: this is the last")


def _without_password(url: str) -> str:
    """None is kept; one that came in by other ways goes out to nobody."""
    try:
        return secrets.split(url)[0]
    except errors.UsageError:
        return f"{url.partition('://')[0]}://…"
