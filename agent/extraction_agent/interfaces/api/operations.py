"""An operation: one declaration from which come its route, its checks, its answer and its part of the document."""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, create_model

from extraction_agent.interfaces.api.context import Context
from extraction_agent.model import Strict
from extraction_agent.observe import logs
from extraction_agent.store.store import Store
from extraction_agent.store.tokens import Scope, Token

T = TypeVar("T")
JSON = "application/json"
_COMMON = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
_GUARDED = (
    HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE,
)  # fmt: skip
_WITH_BODY = (
    HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way: whose it is, and the ways to what it needs."""

    context: Context
    request_id: str
    token: Token | None  # None: an open operation

    @property
    def who(self) -> str:
        """As the audit log names the token's bearer."""
        assert self.token is not None
        return f"token:{self.token.name}"

    async def store(self, action: Callable[[Store], T]) -> T:
        """Do something with the store, in a thread and in the bearer's name; it goes on if the client leaves."""
        return await self.context.threads.run(self.in_thread, action)

    def in_thread(self, action: Callable[[Store], T]) -> T:
        """The same, from a thread."""
        with self.lend() as store:
            return action(store)

    @contextmanager
    def lend(self) -> Iterator[Store]:
        """The same for more than one action."""
        with self.context.pool.store() as store, store.acting(self.who, self.request_id):
            yield store


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler returns when a model alone does not say it."""

    content: BaseModel | str | bytes  # a text is sent as it is
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None  # None: the operation's own


Handler = Callable[..., Awaitable[Any]]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one path."""

    method: str
    path: str
    name: str
    summary: str
    handler: Handler
    scope: Scope | None  # None: open to all
    status: HTTPStatus
    problems: tuple[HTTPStatus, ...]
    answer: type[BaseModel] | None  # None: no content, or not JSON
    media_types: tuple[str, ...]  # the first, unless the handler says another
    path_model: type[Strict]
    query_model: type[Strict] | None
    headers_model: type[Strict] | None
    body_model: type[Strict] | None


class Operations:
    """The operations of one file."""

    def __init__(self, *parts: "Operations") -> None:
        self.listed: list[Operation] = [one for part in parts for one in part.listed]

    def add(
        self,
        method: str,
        path: str,
        scope: Scope | None,
        answer: type[BaseModel] | None,
        *problems: HTTPStatus,
        status: HTTPStatus = HTTPStatus.OK,
        media_types: tuple[str, ...] = (JSON,),
    ) -> Callable[[H], H]:
        """Declare the function below. It takes what its parameters say: the path's by name, query, headers, body.

        problems: those beside what every operation of its kind may answer.
        """

        def declare(handler: H) -> H:
            hints = get_type_hints(handler, include_extras=True)
            names = re.findall(r"\{(\w+)\}", path)
            body = hints.get("body")
            kinds = (*(_COMMON if names or body or "query" in hints or "headers" in hints else ()),)
            kinds += _GUARDED if scope else ()
            kinds += _WITH_BODY if body else ()
            self.listed.append(
                Operation(
                    method=method,
                    path=path,
                    name=handler.__name__,
                    summary=inspect.cleandoc(handler.__doc__ or "").partition("\n\n")[0].replace("\n", " "),
                    handler=handler,
                    scope=scope,
                    status=status,
                    problems=tuple(sorted({*kinds, *problems})),
                    answer=answer,
                    media_types=media_types,
                    path_model=_path_model(names, hints),
                    query_model=hints.get("query"),
                    headers_model=hints.get("headers"),
                    body_model=body,
                )
            )
            return handler

        return declare


def _path_model(names: list[str], hints: dict[str, Any]) -> type[Strict]:
    fields: dict[str, Any] = {name: (hints[name], ...) for name in names}
    return create_model("Path", __base__=Strict, **fields)


def redacted(text: str | None) -> str | None:
    """What a server has said, without what looks like a secret."""
    return None if text is None else logs.redact(text)


def takes_number(annotation: Any) -> bool:
    """Whether a parameter of this type is a number in the URL."""
    return annotation is int or any(map(takes_number, get_args(annotation)))
