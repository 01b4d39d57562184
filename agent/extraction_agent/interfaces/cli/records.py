"""`extractctl records`: what an extraction has brought, through an agent."""

import json as json_text
import re
import sys
from typing import Annotated

import typer

from extraction_agent import errors
from extraction_agent.interfaces.cli import options
from extraction_agent.interfaces.cli.choosing import at_agent
from extraction_agent.interfaces.cli.client import Client

_OPENING = '{"records":['
_MARK = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[][{},]')  # a string, in which nothing counts, or what shapes a value

app = typer.Typer()


@app.command()
@at_agent
def records(
    agent: Client,
    extraction_id: options.Extraction,
    after: Annotated[
        str | None, typer.Option("--after", metavar="PLACE", help="Go on behind the page that gave this as `next`.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="How many at most; all without it.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One page, with the `next` that --after takes.")] = False,
) -> None:
    """Print the records of an extraction that has succeeded, one JSON value a line, as they lie in the store."""
    if json:
        sys.stdout.write(agent.records(extraction_id, after, limit) + "\n")
        return
    left = limit
    while True:
        try:
            found, after = _apart(agent.records(extraction_id, after, left))
        except errors.AgentUnavailable as error:
            on = f" --after {after}" if after else ""
            raise errors.AgentUnavailable(
                f"{error} `extractctl records {extraction_id}{on}` goes on from here."
            ) from error
        sys.stdout.writelines(f"{one}\n" for one in found)
        if left is not None:
            left -= len(found)
        if after is None or left == 0:
            return


def _apart(page: str) -> tuple[list[str], str | None]:
    """A page's records and its `next`. Each record in the very letters it came in: a number parsed would be another."""
    if not page.startswith(_OPENING):
        raise errors.ExtractionError(
            "The agent's page of records is not as this program knows them: upgrade one of them."
        )
    found: list[str] = []
    begin, depth = len(_OPENING), 0
    for mark in _MARK.finditer(page, begin):
        match mark[0]:
            case "[" | "{":
                depth += 1
            case "]" if depth == 0:
                found += [page[begin : mark.start()]] if mark.start() > begin else []
                return _lines(found), json_text.loads("{" + page[mark.end() + 1 :])["next"]
            case "]" | "}":
                depth -= 1
            case "," if depth == 0:
                found.append(page[begin : mark.start()])
                begin = mark.end()
    raise errors.ExtractionError("The agent's page of records breaks off.")


def _lines(texts: list[str]) -> list[str]:
    """Outside strings, where JSON has none, a line's end means nothing."""
    return [text.replace("\n", " ").replace("\r", " ") for text in texts]
