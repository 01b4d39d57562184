"""Extraction configs."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from pydantic import Field

from extraction_agent import errors, secrets
from extraction_agent.interfaces.api.operations import Answer, Call, Operations
from extraction_agent.interfaces.api.views import (
    ConfigBody,
    ConfigName,
    ConfigPage,
    ConfigView,
    Id,
    NewConfig,
    Page,
)
from extraction_agent.pipeline import configs as pipeline
from extraction_agent.sources import allowed, kind_of
from extraction_agent.store.store import Config, Store
from extraction_agent.store.tokens import Scope

operations = Operations()
T = TypeVar("T")


class ConfigsQuery(Page):
    """Which configs."""

    name: ConfigName | None = Field(None, description="the one of this name only")


@operations.add("GET", "/api/v1/configs", Scope.READ, ConfigPage)
async def list_configs(call: Call, query: ConfigsQuery) -> ConfigPage:
    """List the extraction configs, by number."""
    limit = min(query.limit, call.context.config.api.page_limit)
    after, name = query.after or 0, query.name

    def read(store: Store) -> list[Config]:
        if name is None:
            return store.configs(after, limit + 1)
        named = store.config(name)
        return [named] if named is not None and named.id > after else []

    found = await call.store(read)
    shown = found[:limit]
    return ConfigPage(configs=list(map(ConfigView.of, shown)), next=shown[-1].id if len(found) > limit else None)


@operations.add("POST", "/api/v1/configs", Scope.OPERATE, ConfigView, HTTPStatus.CONFLICT, status=HTTPStatus.CREATED)
async def create_config(call: Call, body: NewConfig) -> Answer:
    """Keep a new extraction config."""
    _check(call, body)
    made = await call.store(
        lambda store: store.create_config(
            body.name, kind_of(body.source_url), body.source_url, body.secret, body.definition
        )
    )
    return Answer(ConfigView.of(made), {"Location": f"/api/v1/configs/{made.id}"})


@operations.add("GET", "/api/v1/configs/{config_id}", Scope.READ, ConfigView, HTTPStatus.NOT_FOUND)
async def show_config(call: Call, config_id: Id) -> ConfigView:
    """Show an extraction config."""
    found = await call.context.threads.run(call.context.configs.get, config_id)
    if found is None:
        raise errors.NotFound(f"There is no config {config_id}; GET /api/v1/configs lists those there are.")
    return ConfigView.of(found)


@operations.add(
    "PUT", "/api/v1/configs/{config_id}", Scope.OPERATE, ConfigView, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
)
async def replace_config(call: Call, config_id: Id, body: ConfigBody) -> ConfigView:
    """Give an extraction config another content. Refused while an extraction of it is not finished."""
    _check(call, body)

    kind = kind_of(body.source_url)

    def replace(store: Store) -> Config:
        return pipeline.replace(store, config_id, kind, body.source_url, body.secret, body.definition)

    return ConfigView.of(await _change(call, config_id, replace))


@operations.add(
    "DELETE", "/api/v1/configs/{config_id}", Scope.OPERATE, None, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT,
    status=HTTPStatus.NO_CONTENT,
)  # fmt: skip
async def delete_config(call: Call, config_id: Id) -> None:
    """Delete an extraction config, its watermark and its typed table. Refused while it has extractions."""
    await _change(call, config_id, lambda store: pipeline.delete(store, config_id))


async def _change(call: Call, config_id: int, change: Callable[[Store], T]) -> T:
    """Change a config so that no agent shows the old one once this is answered."""
    configs = call.context.configs

    def apply() -> T:
        try:
            changed = call.in_thread(change)
        except errors.StoreUnavailable:  # perhaps it was committed all the same
            configs.evict(config_id)
            raise
        configs.evict(config_id)
        return changed

    return await call.context.threads.run(apply)


def _check(call: Call, body: ConfigBody) -> None:
    """Raises UsageError, Forbidden."""
    allowed.check(body.source_url, call.context.config.sources)
    if body.secret and secrets.variable(body.secret) in call.context.reserved_secrets:
        raise errors.Forbidden(f"The secret {body.secret} is the agent's own and opens no source: name another.")
