"""Puts the operations together to an aiohttp application."""

import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPMethod, HTTPStatus

from aiohttp import web
from pydantic import BaseModel

from extraction_agent.interfaces.api import (
    audit,
    binding,
    configs,
    document,
    extractions,
    health,
    problems,
    records,
    state,
    tuning,
)
from extraction_agent.interfaces.api.access import Directory
from extraction_agent.interfaces.api.context import Context
from extraction_agent.interfaces.api.listener import ALWAYS, Connection
from extraction_agent.interfaces.api.operations import Answer, Call, Operation, Operations
from extraction_agent.observe import logs, metrics
from extraction_agent.store.tokens import Token

log = logging.getLogger(__name__)

OPERATIONS = Operations(
    configs.operations,
    extractions.operations,
    records.operations,
    tuning.operations,
    state.operations,
    audit.operations,
    health.operations,
    document.operations,
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset(HTTPMethod)
_bearer = web.RequestKey("bearer", Token)

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build(context: Context) -> web.Application:
    """The whole interface."""
    application = web.Application(middlewares=[_around])
    directory = Directory(context)
    for operation in OPERATIONS.listed:
        application.router.add_route(operation.method, operation.path, _handle(operation, context, directory))
    application.cleanup_ctx.append(health.watch(context))
    return application


def _handle(operation: Operation, context: Context, directory: Directory) -> Handle:
    async def handle(request: web.Request) -> web.StreamResponse:
        if operation.scope is None:
            return await serve(request, None)
        _refuse_spare(request)
        with context.crowd.joined():
            token = request[_bearer] = await directory.admit(request, operation.scope)
            return await serve(request, token)

    async def serve(request: web.Request, token: Token | None) -> web.StreamResponse:
        arguments = await binding.arguments(request, operation, context.config.api.body_limit_bytes)
        request_id = logs.request_id.get()
        assert request_id is not None
        given = await operation.handler(Call(context, request_id, token), **arguments)
        return _response(operation, given if isinstance(given, Answer) else Answer(given))

    return handle


def _response(operation: Operation, answer: Answer) -> web.Response:
    content = answer.content
    body = content.model_dump_json().encode() if isinstance(content, BaseModel) else content
    response = web.Response(status=answer.status or operation.status, headers=answer.headers)
    if body is not None:
        response.body = body.encode() if isinstance(body, str) else body
        response.headers.setdefault("Content-Type", operation.media_types[0])
    return response


@web.middleware
async def _around(request: web.Request, handler: Handle) -> web.StreamResponse:
    """Around every request: its id, its errors in words, its measure, its line in the log."""
    begun = time.monotonic()
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    logs.request_id.set(request_id)
    try:
        response = await handler(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, the client is told in our form and the log the rest
        response = problems.answer(error, request_id)
    response.headers.update({**ALWAYS, "X-Request-ID": request_id})
    seconds = time.monotonic() - begun
    resource = request.match_info.route.resource
    route = "unmatched" if resource is None else resource.canonical
    method = request.method if request.method in _METHODS else "other"
    metrics.HTTP_SECONDS.labels(method, route, str(response.status)).observe(seconds)
    token = request.get(_bearer)
    who = "nobody" if token is None else f"token {token.name}"
    level = logging.DEBUG if token is None and response.status < HTTPStatus.BAD_REQUEST else logging.INFO  # a monitor's
    log.log(level, "%s %s by %s: %d in %.3f s", method, route, who, response.status, seconds)
    return response


def _refuse_spare(request: web.Request) -> None:
    """Connections beyond the limit are for those who only want to know how the agent is."""
    if isinstance(request.protocol, Connection) and request.protocol.spare:
        raise problems.Refused(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "All connections the agent takes at once are in use; try again in a second.",
            Retry_After="1",
            Connection="close",
        )
