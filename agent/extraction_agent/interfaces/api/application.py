"""Puts the operations together to an aiohttp application."""

import logging
import re
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPMethod, HTTPStatus

from aiohttp import web
from pydantic import BaseModel

from extraction_agent import deadlines
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
_ALWAYS = {"Server": "extraction-agent", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_bearer = web.RequestKey("bearer", Token)

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build(context: Context) -> web.Application:
    """The whole interface."""
    application = web.Application(
        middlewares=[_around],
        handler_args={
            "keepalive_timeout": deadlines.KEEP_ALIVE,
            "lingering_time": deadlines.LINGER,
            "access_log": None,
            "logger": _of_the_protocol(),
        },
    )
    directory = Directory(context)
    for operation in OPERATIONS.listed:
        application.router.add_route(operation.method, operation.path, _handle(operation, context, directory))
    application.cleanup_ctx.append(health.watch(context))
    return application


def _of_the_protocol() -> logging.Logger:
    """Where aiohttp tells what is no HTTP: a line without a trace, which would quote what was sent."""

    def plain(record: logging.LogRecord) -> bool:
        record.exc_info = None
        record.levelno, record.levelname = logging.INFO, "INFO"
        return True

    protocol = log.getChild("http")
    protocol.filters = [plain]
    return protocol


def _handle(operation: Operation, context: Context, directory: Directory) -> Handle:
    async def handle(request: web.Request) -> web.StreamResponse:
        token = None
        if operation.scope is not None:
            token = request[_bearer] = await directory.admit(request, operation.scope)
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
    _bound(request)
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    logs.request_id.set(request_id)
    try:
        response = await handler(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, the client is told in our form and the log the rest
        response = problems.answer(error, request_id)
    response.headers.update({**_ALWAYS, "X-Request-ID": request_id})
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


def _bound(request: web.Request) -> None:
    """A client that does not read its answer loses its connection: the system sees to it."""
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(deadlines.UNREAD * 1000))
