"""The options that say where a command does its work, a store or an agent, one set of them for all commands."""

import inspect
import os
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from extraction_agent import errors, textfiles
from extraction_agent.interfaces.cli import options
from extraction_agent.interfaces.cli.client import Client
from extraction_agent.interfaces.cli.http import Http, Token
from extraction_agent.interfaces.cli.where import AtStore, Where

_TOKEN = "EXTRACTION_TOKEN"  # noqa: S105 - the variable's name
P = ParamSpec("P")

_Store = Annotated[str | None, options.STORE]
_Agent = Annotated[
    str | None,
    typer.Option(
        "--agent",
        envvar="EXTRACTION_AGENT",
        metavar="URL",
        show_default=False,
        help=f"An agent that does it, https://HOST:PORT or http://127.0.0.1:PORT; its token is in {_TOKEN}.",
    ),
]
_TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help=f"Holds the agent's token, in the place of {_TOKEN}."),
]
_CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        envvar="EXTRACTION_CA_FILE",
        metavar="FILE",
        show_default=False,
        help="PEM file of the authority that signed the agent's certificate; the system's without it.",
    ),
]
_PlainHttp = Annotated[bool, typer.Option("--plain-http", help="Send the token in clear to an agent on another host.")]
_OF_AGENTS: dict[str, tuple[Any, Any]] = {
    "agent": (_Agent, None),
    "token_file": (_TokenFile, None),
    "ca_file": (_CaFile, None),
    "plain_http": (_PlainHttp, False),
}


def at_store_or_agent(command: Callable[Concatenate[Where, P], None]) -> Callable[..., None]:
    """Give a command the options that say where, and for its first argument what they come to."""

    def run(
        ctx: typer.Context,
        store: str | None,
        agent: str | None,
        token_file: Path | None,
        ca_file: Path | None,
        plain_http: bool,
        **arguments: Any,
    ) -> None:
        if _chosen(ctx, store, agent) == "store":
            assert store is not None
            where: Where = AtStore(store)
        else:
            assert agent is not None
            where = _client(agent, token_file, ca_file, plain_http)
        with closing(where):
            command(where, **arguments)  # type: ignore[call-arg] # as its signature says, which run() has taken over

    return _with_options(run, command, {"store": (_Store, None), **_OF_AGENTS})


def at_agent(command: Callable[Concatenate[Client, P], None]) -> Callable[..., None]:
    """The same for what only an agent does."""

    def run(
        agent: str | None, token_file: Path | None, ca_file: Path | None, plain_http: bool, **arguments: Any
    ) -> None:
        if agent is None:
            raise errors.UsageError("Say which agent is to do this: --agent URL, or EXTRACTION_AGENT.")
        with closing(_client(agent, token_file, ca_file, plain_http)) as client:
            command(client, **arguments)  # type: ignore[call-arg] # as its signature says, which run() has taken over

    return _with_options(run, command, _OF_AGENTS)


def _with_options(
    run: Callable[..., None], command: Callable[..., None], where: dict[str, tuple[Any, Any]]
) -> Callable[..., None]:
    """`run`, as typer shall see it: with the parameters of `command` but the first, then those that say where."""
    _, *own = inspect.signature(command).parameters.values()
    context = inspect.signature(run).parameters.get("ctx")
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, (annotation, default) in where.items()
    ]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in [context, *own] if one is not None]
    signature = inspect.Signature([*parameters, *added])
    run.__signature__ = signature  # type: ignore[attr-defined] # which inspect, and so typer, asks first
    run.__annotations__ = {name: one.annotation for name, one in signature.parameters.items()}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def _chosen(ctx: typer.Context, store: str | None, agent: str | None) -> str:
    """`store` or `agent`: what the command line names, else the environment."""
    given = [name for name, value in (("store", store), ("agent", agent)) if value]
    typed = [name for name in given if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"]
    match typed or given:
        case [one]:
            return one
        case []:
            raise errors.UsageError(
                "Say where: --agent URL (or EXTRACTION_AGENT) for an agent, --store URL (or EXTRACTION_STORE) for the "
                "store itself."
            )
        case _:
            raise errors.UsageError(
                "There are a store and an agent: name on the command line which is meant, only one."
            )


def _client(agent: str, token_file: Path | None, ca_file: Path | None, plain_http: bool) -> Client:
    return Client(Http(agent, _token(token_file), ca_file, plain=plain_http))


def _token(file: Path | None) -> Token:
    """Never from an argument, which every user of the machine can read. Raises UsageError."""
    if file is not None:
        found, origin = textfiles.read(file, f"The token file {file}").strip(), f"the file {file}"
    else:
        found, origin = os.environ.get(_TOKEN, "").strip(), _TOKEN
        if not found:
            raise errors.UsageError(
                f"An agent wants a token: put it into the environment as {_TOKEN}, or into a file and name that with "
                "--token-file. `extractctl token create` makes one."
            )
    if re.fullmatch(r"[!-~]{1,4096}", found) is None:
        raise errors.UsageError(
            f"What {origin} holds is no token: it is one word, as `extractctl token create` prints it."
        )
    return Token(found, origin)
