"""Takes a request apart into what its operation declares; whatever does not fit is refused in words."""

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from extraction_agent import deadlines, profiles
from extraction_agent.interfaces.api.operations import JSON, Operation, takes_number
from extraction_agent.interfaces.api.problems import Refused
from extraction_agent.model import Strict

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,30})")


async def arguments(request: web.Request, operation: Operation, body_limit: int) -> dict[str, Any]:
    """The handler's arguments. Raises Refused."""
    path = _of_texts(operation.path_model, request.match_info, "The address")
    values: dict[str, Any] = {name: getattr(path, name) for name in operation.path_model.model_fields}
    if operation.query_model is not None:
        values["query"] = _of_texts(operation.query_model, _once(request), "The query")
    elif request.query:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "This takes no parameters after the `?`.")
    if operation.headers_model is not None:
        values["headers"] = _headers(request, operation.headers_model)
    if operation.body_model is not None:
        values["body"] = _body(await _read(request, body_limit), operation.body_model)
    return values


def _once(request: web.Request) -> dict[str, str]:
    found = dict(request.query)
    if len(found) != len(request.query):
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "A parameter after the `?` is given twice.")
    return found


def _of_texts(model: type[Strict], texts: Mapping[str, str], what: str) -> Strict:
    values: dict[str, Any] = dict(texts)
    for name, declared in model.model_fields.items():
        text = values.get(name)
        if isinstance(text, str) and takes_number(declared.annotation) and _NUMBER.fullmatch(text):
            values[name] = int(text)
    try:
        return model.model_validate(values, strict=True)
    except ValidationError as error:
        raise _refused(error, model, what) from None


def _headers(request: web.Request, model: type[Strict]) -> Strict:
    names = [str(declared.alias) for declared in model.model_fields.values()]
    values = {name: request.headers[name] for name in names if name in request.headers}
    try:
        return model.model_validate(values, strict=True)
    except ValidationError as error:
        raise Refused(
            HTTPStatus.BAD_REQUEST, f"The headers: {profiles.explain(error, model)} {model.__doc__}"
        ) from None


def _body(text: bytes, model: type[Strict]) -> Strict:
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        if any(one["type"] == "json_invalid" for one in error.errors(include_url=False, include_input=False)):
            where = error.errors(include_url=False, include_input=False)[0]["msg"].removeprefix("Invalid JSON: ")
            raise Refused(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {where}.") from None
        raise _refused(error, model, "The body") from None


def _refused(error: ValidationError, model: type[Strict], what: str) -> Refused:
    return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{what}: {profiles.explain(error, model)}")


async def _read(request: web.Request, limit: int) -> bytes:
    """The body. A client may not send it for ever, nor more of it than allowed."""
    if request.content_type != JSON or "Content-Encoding" in request.headers:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send the body with `Content-Type: {JSON}`, not compressed.")
    too_long = Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The body is longer than {limit:,} bytes, the configuration's api.body_limit_bytes.",
        Connection="close",
    )
    if (request.content_length or 0) > limit:
        raise too_long
    parts = bytearray()
    try:
        async with asyncio.timeout(deadlines.BODY):
            async for part in request.content.iter_any():
                parts += part
                if len(parts) > limit:
                    raise too_long
    except TimeoutError:
        raise Refused(
            HTTPStatus.REQUEST_TIMEOUT, f"The body did not come within {deadlines.BODY:g} s.", Connection="close"
        ) from None
    except (web.RequestPayloadError, OSError):
        raise Refused(HTTPStatus.BAD_REQUEST, "The body broke off or is not framed as HTTP asks.") from None
    return bytes(parts)
