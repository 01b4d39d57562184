"""The daemon's configuration: one YAML file under a strict model. What a rollout tunes is not here but in profiles."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from extraction_agent import errors, postgres, profiles, secrets, textfiles
from extraction_agent.model import Strict

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


def _without_password(url: str) -> str:
    """This file may be read by many, and is printed."""
    try:
        _, password = secrets.split(url)
    except errors.UsageError as error:
        raise ValueError(str(error).rstrip(".")) from None
    if password is not None:
        raise ValueError("it holds a password: put that into a secret and name the secret beside it")
    return url


def _of_a_store(url: str) -> str:
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("it is postgresql://user@host/database; this one begins otherwise")
    try:
        postgres.address(url, "store")
    except errors.UsageError as error:
        raise ValueError(str(error).rstrip(".")) from None
    return url


def _of_redis(url: str) -> str:
    if not url.startswith(("redis://", "rediss://")):
        raise ValueError("it is redis://host/0, or rediss:// with TLS; this one begins otherwise")
    return url


class StoreAddress(Strict):
    """Where the store is."""

    url: Annotated[str, AfterValidator(_without_password), AfterValidator(_of_a_store)] = Field(
        description="postgresql://user@host/database, without a password"
    )
    secret: Name | None = Field(None, description="the name of the secret that holds its password")


class Tls(Strict):
    """The API's certificate."""

    certificate: Path = Field(description="PEM file: the certificate, then those that vouch for it")
    key: Path = Field(description="PEM file: its private key")


class Api(Strict):
    """The HTTP interface."""

    listen: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8470, ge=0, le=65535, description="0: any free one, told in the log")
    tls: Tls | None = Field(None, description="without it, listen on loopback only")
    body_limit_bytes: int = Field(1_048_576, ge=1024, le=67_108_864, description="a longer request body is refused")
    connections: int = Field(
        800, ge=10, le=100_000, description="open at once; for one more, the longest idle one is closed"
    )
    page_limit: int = Field(1000, ge=1, le=10_000, description="rows of one page at most")
    rate_per_second: float = Field(100, gt=0, le=100_000, description="requests of one token, on average")
    burst: int = Field(200, ge=1, le=100_000, description="requests of one token at once")

    @model_validator(mode="after")
    def _safe(self) -> "Api":
        if self.tls is None and self.listen not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError(f"tokens would pass in clear: listen on 127.0.0.1 instead of {self.listen}, or give tls")
        return self


class CacheAddress(Strict):
    """Where cached configs are."""

    redis_url: Annotated[str, AfterValidator(_without_password), AfterValidator(_of_redis)] | None = Field(
        None, description="redis://host/0, rediss:// with TLS; without it in this process"
    )
    secret: Name | None = Field(None, description="the name of the secret that holds Redis's password")


class Sources(Strict):
    """Which sources may be read."""

    schemes: tuple[Literal["postgresql", "mysql", "mariadb", "sqlite"], ...] = Field(
        ("postgresql", "mysql", "mariadb"), description="kinds of sources the API accepts"
    )
    hosts: tuple[str, ...] | None = Field(None, description="hosts the API accepts, * for any letters; none: all")


class Config(Strict):
    """A configuration file."""

    store: StoreAddress
    profile: str = Field("optimized", description="a shipped profile's name, or the path of a profile file")
    api: Api = Field(default_factory=Api)
    cache: CacheAddress = Field(default_factory=CacheAddress)
    sources: Sources = Field(default_factory=Sources)
    drain_seconds: float = Field(30, gt=0, le=3600, description="how long a stop waits for what is under way")
    state_directory: Path | None = Field(
        None, description="where generations are kept; without it $STATE_DIRECTORY, which systemd gives"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")


def load(path: Path) -> Config:
    """Read a configuration file. Raises UsageError that names the wrong key and the nearest right one."""
    try:
        data: Any = yaml.safe_load(textfiles.read(path, f"The configuration {path}"))
    except yaml.YAMLError as error:
        raise errors.UsageError(f"The configuration {path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, dict):
        raise errors.UsageError(f"The configuration {path} is not a mapping; it needs at least store: {{url: …}}.")
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise errors.UsageError(f"The configuration {path}: {profiles.explain(error, Config)}") from error


def state_directory(loaded: Config) -> Path | None:
    """Where generations are kept; None: nowhere, so that no rollout can change this agent."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return loaded.state_directory or (Path(given) if given else None)
