"""A profile as Spring Boot's configuration: the same figures, and every other setting named as left out."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from extraction_agent import profiles
from extraction_agent.interfaces.cli import spring
from extraction_agent.profiles import Profile

CUSTOM = """
name: odd
description: |
  Two lines
  of description.
extends: optimized
settings:
  pool: {maximum: 7, minimum_idle: 3, connection_timeout_seconds: 0.1, idle_timeout_seconds: 5,
         max_lifetime_seconds: 20, leak_seconds: 1.5}
  threads: {core: 2, maximum: 3, queue: 0}
  cache: {enabled: false, ttl_seconds: 0.25}
"""


def custom(tmp_path: Path) -> Profile:
    file = tmp_path / "odd.yml"
    file.write_text(CUSTOM, encoding="utf-8")
    return profiles.load(str(file))


def figures(text: str) -> dict[str, Any]:
    """Properties of the file as Spring Boot reads it, by dotted name."""

    def walk(prefix: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            return {prefix: value}
        return {name: one for key, item in value.items() for name, one in walk(f"{prefix}.{key}", item).items()}

    return {name.removeprefix("."): value for name, value in walk("", yaml.safe_load(text)).items()}


@pytest.mark.parametrize("name", [*profiles.shipped(), "odd"])
def test_the_figures_are_the_profiles(name: str, tmp_path: Path) -> None:
    profile = custom(tmp_path) if name == "odd" else profiles.load(name)
    pool, threads, cache = profile.settings.pool, profile.settings.threads, profile.settings.cache
    assert figures(spring.render(profile)) == {
        "spring.datasource.hikari.maximum-pool-size": pool.maximum,
        "spring.datasource.hikari.minimum-idle": pool.minimum_idle,
        "spring.datasource.hikari.connection-timeout": pool.connection_timeout_seconds * 1000,
        "spring.datasource.hikari.idle-timeout": pool.idle_timeout_seconds * 1000,
        "spring.datasource.hikari.max-lifetime": pool.max_lifetime_seconds * 1000,
        "spring.datasource.hikari.leak-detection-threshold": pool.leak_seconds * 1000,
        "spring.task.execution.pool.core-size": threads.core,
        "spring.task.execution.pool.max-size": threads.maximum,
        "spring.task.execution.pool.queue-capacity": threads.queue,
        "spring.task.execution.pool.keep-alive": "60000ms",
        "spring.task.execution.pool.allow-core-thread-timeout": False,
        "spring.task.execution.thread-name-prefix": "extraction-",
        "spring.threads.virtual.enabled": False,
        "spring.cache.type": "redis" if cache.enabled else "none",
        "spring.cache.cache-names": ["extraction-configs"],
        "spring.cache.redis.time-to-live": f"{cache.ttl_seconds * 1000:.0f}ms",
    }


@pytest.mark.parametrize("name", profiles.shipped())
def test_what_has_no_counterpart_is_named_with_its_value(name: str) -> None:
    """Each setting is one or the other, those to come too."""
    profile = profiles.load(name)
    _, told = spring.render(profile).split("# Spring Boot has no counterpart of:\n")
    left_out = yaml.safe_load(told.replace("#   ", ""))
    groups = json.loads(profile.settings.model_dump_json())
    settings = {f"{group}.{one}": value for group, values in groups.items() for one, value in values.items()}
    assert all(settings[one] == value for one, value in left_out.items())
    rendered = {one for one in settings if one.startswith(("pool.", "threads.", "cache."))}
    assert left_out.keys() == settings.keys() - rendered


def test_figures_that_hikari_does_not_take_are_told(tmp_path: Path) -> None:
    text = spring.render(custom(tmp_path))
    for name in ("connection-timeout under 250", "idle-timeout under 10000", "max-lifetime under 30000"):
        assert f"# HikariCP takes no {name} ms" in text
    assert "HikariCP" not in spring.render(profiles.load("optimized"))
