"""Errors as RFC 9457 problem details: what failed, and what to do."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from math import ceil

from aiohttp import web
from pydantic import BaseModel, Field

from extraction_agent import errors
from extraction_agent.observe import logs

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_LONGEST = 2000  # characters of a detail: what is told may quote what was sent
_AWAY = 2  # s after which a database that is away may be asked again
# The first that fits; a source that fails is not our failure, so it is no 5xx.
_STATUS: tuple[tuple[type[errors.ExtractionError], HTTPStatus], ...] = (
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.Forbidden, HTTPStatus.FORBIDDEN),
    (errors.UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.Busy, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.SourceError, HTTPStatus.FAILED_DEPENDENCY),
    (errors.StoreUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.HostError, HTTPStatus.INSUFFICIENT_STORAGE),
    (errors.Cancelled, HTTPStatus.SERVICE_UNAVAILABLE),
)


class Problem(BaseModel):
    """What went wrong with a request (RFC 9457)."""

    type: str = Field("about:blank", description="always about:blank: `status` says what kind it is")
    title: str = Field(description="the status in words")
    status: int
    detail: str = Field(description="what failed, where, and what to do")
    request_id: str = Field(description="as in the header X-Request-ID and in the agent's log")


class Refused(Exception):
    """A request that is refused before its operation begins."""

    def __init__(self, status: HTTPStatus, detail: str, **headers: str) -> None:
        """headers: of the answer, `_` for `-`."""
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@contextmanager
def of_the_state() -> Iterator[None]:
    """What is wrong inside is wrong with what is kept, not with the request: a conflict."""
    try:
        yield
    except (errors.NotFound, errors.Forbidden):
        raise
    except errors.UsageError as error:
        raise errors.Conflict(str(error)) from error


def answer(error: Exception, request_id: str) -> web.Response:
    """The response for whatever a handler raised."""
    status, detail, headers = _told(error, request_id)
    text = logs.redact(detail)
    problem = Problem(
        title=status.phrase,
        status=status,
        detail=text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…",
        request_id=request_id,
    )
    body = problem.model_dump_json().encode()
    return web.Response(body=body, status=status, content_type=MEDIA_TYPE, headers=headers)


def _told(error: Exception, request_id: str) -> tuple[HTTPStatus, str, dict[str, str]]:
    if isinstance(error, Refused):
        return error.status, error.detail, error.headers
    if isinstance(error, web.HTTPException):
        return _of_http(error)
    if isinstance(error, errors.ExtractionError):
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), None)
        if status is not None:
            return status, str(error), _retry(error)
        log.error("%s", error)  # ours, and yet nothing the client can mend
        return HTTPStatus.INTERNAL_SERVER_ERROR, str(error), {}
    # Not its words, which may quote a value of the request.
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("a request ended with %s; where it happened:\n%s", type(error).__name__, where)
    detail = f"The agent met an error it does not know; its log says more under {request_id}."
    return HTTPStatus.INTERNAL_SERVER_ERROR, detail, {}


def _retry(error: errors.ExtractionError) -> dict[str, str]:
    seconds = getattr(error, "retry_after", None) or _AWAY
    return {"Retry-After": str(max(ceil(seconds), 1))} if error.transient else {}


def _of_http(error: web.HTTPException) -> tuple[HTTPStatus, str, dict[str, str]]:
    """aiohttp's own: what it says, in our words."""
    status = HTTPStatus(error.status)
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return status, f"There is no such method here; allowed are {allowed}.", {"Allow": allowed}
    if status is HTTPStatus.NOT_FOUND:
        return status, "There is nothing at this address; /openapi.json lists what there is.", {}
    return status, f"{status.description or status.phrase}.", {}
