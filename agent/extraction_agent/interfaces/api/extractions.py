"""Extractions: begun, looked at, given up, taken up again."""

import asyncio
import hashlib
from http import HTTPStatus

from pydantic import Field

from extraction_agent import errors
from extraction_agent.interfaces.api.operations import Answer, Call, Operations
from extraction_agent.interfaces.api.problems import of_the_state
from extraction_agent.interfaces.api.views import ExtractionPage, ExtractionView, Id, NewExtraction, Page
from extraction_agent.model import Strict
from extraction_agent.pipeline import ending
from extraction_agent.pipeline.start import start_lent
from extraction_agent.store.store import Store
from extraction_agent.store.tokens import Scope, Token

operations = Operations()


class ExtractionsQuery(Page):
    """Which extractions."""

    config_id: Id | None = Field(None, description="of this config only")


class StartHeaders(Strict):
    """Any text of your own, another for each extraction, such as `uuidgen` makes: a retry with it begins no second."""

    key: str = Field(
        alias="Idempotency-Key",
        pattern=r"^[A-Za-z0-9._~:/+=-]{1,200}$",
        description="any text of your own, another for each extraction; a retry with it begins no second one",
    )


@operations.add("GET", "/api/v1/extractions", Scope.READ, ExtractionPage)
async def list_extractions(call: Call, query: ExtractionsQuery) -> ExtractionPage:
    """List extractions, newest first."""
    limit = min(query.limit, call.context.config.api.page_limit)
    found = await call.store(
        lambda store: store.summaries(limit=limit + 1, before=query.after, config_id=query.config_id)
    )
    shown = found[:limit]
    following = shown[-1].extraction_id if len(found) > limit else None
    return ExtractionPage(extractions=list(map(ExtractionView.of, shown)), next=following)


@operations.add(
    "POST", "/api/v1/extractions", Scope.OPERATE, ExtractionView,
    HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.FAILED_DEPENDENCY, status=HTTPStatus.CREATED,
)  # fmt: skip
async def start_extraction(call: Call, headers: StartHeaders, body: NewExtraction) -> Answer:
    """Begin an extraction of a config. It is planned at the source before the answer, which may take a while; it goes
    on if you leave, and a retry with the same Idempotency-Key is given the same extraction."""
    assert call.token is not None
    request = hashlib.sha256(body.model_dump_json().encode()).digest()
    mine = (call.token.id, headers.key)
    starting = call.context.starting
    if mine not in starting:
        task = asyncio.create_task(_start(call, headers.key, request, body.config_id))
        starting[mine] = (request, task)

        def over(done: "asyncio.Task[int]") -> None:
            del starting[mine]
            if not done.cancelled():
                done.exception()  # told to whoever waits; perhaps nobody does any more

        task.add_done_callback(over)
    first, task = starting[mine]
    if first != request:
        raise errors.UsageError("This Idempotency-Key belongs to another request: take a new one for each.")
    extraction_id = await asyncio.shield(task)
    summary = await call.store(lambda store: store.summary(extraction_id))
    return Answer(ExtractionView.of(summary), {"Location": f"/api/v1/extractions/{extraction_id}"})


async def _start(call: Call, key: str, request: bytes, config_id: int) -> int:
    """Give the extraction that the key has begun, here or at another agent, or begin it."""
    token = call.token
    assert token is not None

    def begun(store: Store) -> int | None:
        return store.extraction_begun(token.id, key, request)

    known = await call.store(begun)
    if known is not None:
        return known
    try:
        async with call.context.plans.one():
            return await call.context.threads.run(_begin, call, token, key, request, config_id)
    except errors.Conflict:
        known = await call.store(begun)  # perhaps with this very request, which another agent was planning too
        if known is None:
            raise
        return known


def _begin(call: Call, token: Token, key: str, request: bytes, config_id: int) -> int:
    """Plan, without a connection to the store meanwhile, and record; extraction and key are one transaction."""
    context = call.context
    config = call.in_thread(lambda store: store.config_of(config_id))
    with of_the_state():
        source = context.open_allowed(config)
        started = start_lent(
            call.lend,
            source,
            config,
            context.profile.settings,
            lambda store, extraction_id: store.keep_key(token.id, key, request, extraction_id),
        )
    if started.snapshot is not None:
        context.hold(started.extraction_id, started.snapshot, config.definition.snapshot_max_seconds)
    return started.extraction_id


@operations.add("GET", "/api/v1/extractions/{extraction_id}", Scope.READ, ExtractionView, HTTPStatus.NOT_FOUND)
async def show_extraction(call: Call, extraction_id: Id) -> ExtractionView:
    """Show an extraction."""
    return ExtractionView.of(await call.store(lambda store: store.summary(extraction_id)))


@operations.add(
    "POST", "/api/v1/extractions/{extraction_id}/cancel", Scope.OPERATE, ExtractionView,
    HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT,
)  # fmt: skip
async def cancel_extraction(call: Call, extraction_id: Id) -> ExtractionView:
    """Give an extraction up; what was copied of it is dropped."""

    def cancel(store: Store) -> ExtractionView:
        return ExtractionView.of(ending.cancel(store, extraction_id))

    return await call.store(cancel)


@operations.add(
    "POST", "/api/v1/extractions/{extraction_id}/resume", Scope.OPERATE, ExtractionView,
    HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT,
)  # fmt: skip
async def resume_extraction(call: Call, extraction_id: Id) -> ExtractionView:
    """Take an extraction up again that has failed; any agent does the rest."""

    def resume(store: Store) -> ExtractionView:
        ending.reopen(store, extraction_id)
        return ExtractionView.of(store.summary(extraction_id))

    return await call.store(resume)
