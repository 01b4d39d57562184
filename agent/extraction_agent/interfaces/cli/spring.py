"""A profile in the words of Spring Boot 3: `application-prod.yml` of a service that does the same work in Java."""

from collections.abc import Callable, Iterator
from typing import Any

import yaml

from extraction_agent import deadlines
from extraction_agent.cache import protocol
from extraction_agent.profiles import Profile

_HIKARI, _THREADS = "spring.datasource.hikari", "spring.task.execution"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _same(value: Any) -> Any:
    return value


def _duration(seconds: float) -> str:
    return f"{_milliseconds(seconds)}ms"


def _cache_type(enabled: bool) -> str:
    return "redis" if enabled else "none"


# Each setting that Spring Boot has too: its property, and how its value is written there.
_COUNTERPARTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "pool.maximum": (f"{_HIKARI}.maximum-pool-size", _same),
    "pool.minimum_idle": (f"{_HIKARI}.minimum-idle", _same),
    "pool.connection_timeout_seconds": (f"{_HIKARI}.connection-timeout", _milliseconds),
    "pool.idle_timeout_seconds": (f"{_HIKARI}.idle-timeout", _milliseconds),
    "pool.max_lifetime_seconds": (f"{_HIKARI}.max-lifetime", _milliseconds),
    "pool.leak_seconds": (f"{_HIKARI}.leak-detection-threshold", _milliseconds),
    "threads.core": (f"{_THREADS}.pool.core-size", _same),
    "threads.maximum": (f"{_THREADS}.pool.max-size", _same),
    "threads.queue": (f"{_THREADS}.pool.queue-capacity", _same),
    "cache.enabled": ("spring.cache.type", _cache_type),
    "cache.ttl_seconds": ("spring.cache.redis.time-to-live", _duration),
}
# What every profile has in common here, and Spring Boot otherwise there.
_FIXED: dict[str, Any] = {
    f"{_THREADS}.thread-name-prefix": "extraction-",
    f"{_THREADS}.pool.keep-alive": _duration(deadlines.THREAD_IDLE),
    f"{_THREADS}.pool.allow-core-thread-timeout": False,
    "spring.threads.virtual.enabled": False,  # true would make nothing of the figures of the pool
    "spring.cache.cache-names": [protocol.NAME],
}
_LEAST = {  # milliseconds; below, HikariCP goes on with another figure than it was given
    "connection-timeout": 250,
    "idle-timeout": 10_000,
    "max-lifetime": 30_000,
    "leak-detection-threshold": 2_000,
}


def properties(profile: Profile) -> dict[str, Any]:
    """The file's content, nested as YAML has it."""
    settings = _flat(profile.settings.model_dump(mode="json"))
    found: dict[str, Any] = {}
    for setting, (name, written) in _COUNTERPARTS.items():
        _put(found, name, written(settings[setting]))
    for name, value in _FIXED.items():
        _put(found, name, value)
    return found


def render(profile: Profile) -> str:
    """The file, with what is left out, or would not be taken, in comments."""
    made = properties(profile)
    hikari = made["spring"]["datasource"]["hikari"]
    lines = [
        f"The profile {profile.name} in the words of Spring Boot 3, made by `extractctl profile render --as spring`.",
        profile.description,
        "Change the profile, not this file. The addresses of the database and of Redis are the service's own.",
        *_not_taken(hikari),
    ]
    body = yaml.safe_dump(made, sort_keys=False, allow_unicode=True)
    rest = ["Spring Boot has no counterpart of:", *(f"  {name}: {value}" for name, value in _left_out(profile))]
    return f"{_comment(lines)}{body}{_comment(rest)}"


def _not_taken(hikari: dict[str, int]) -> Iterator[str]:
    for name, least in _LEAST.items():
        if hikari[name] < least:
            yield f"HikariCP takes no {name} under {least} ms and replaces it by a figure of its own."
    if hikari["minimum-idle"] < hikari["maximum-pool-size"] and hikari["idle-timeout"] + 1000 > hikari["max-lifetime"]:
        yield "HikariCP takes no idle-timeout that is not a second below max-lifetime, and goes without it."
    if hikari["leak-detection-threshold"] > hikari["max-lifetime"]:
        yield "HikariCP takes no leak-detection-threshold above max-lifetime, and goes without it."


def _left_out(profile: Profile) -> Iterator[tuple[str, str]]:
    for name, value in _flat(profile.settings.model_dump(mode="json")).items():
        if name not in _COUNTERPARTS:
            yield name, yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()


def _flat(groups: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for group, settings in groups.items():
        named = settings.items() if isinstance(settings, dict) else [(None, settings)]
        found |= {group if name is None else f"{group}.{name}": value for name, value in named}
    return found


def _put(found: dict[str, Any], name: str, value: Any) -> None:
    *groups, last = name.split(".")
    for group in groups:
        found = found.setdefault(group, {})
    found[last] = value


def _comment(texts: list[str]) -> str:
    return "".join(f"# {line}\n" for text in texts for line in text.splitlines())
