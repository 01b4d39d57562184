"""What the kept state of an incremental config belongs to."""

from typing import Any

from extraction_agent import errors
from extraction_agent.model import Definition
from extraction_agent.sources.protocol import Source

_WORDS = {"where": "the database", "relation": "what is read", "parameters": "--param", "column": "--watermark"}


def owner(source: Source, definition: Definition) -> dict[str, Any]:
    """What a state belongs to. Columns and chunks may change between runs; this may not."""
    return {
        "where": source.where,
        "relation": definition.table or definition.query,
        "parameters": definition.parameters,
        "column": definition.watermark,
    }


def refuse_other(state: dict[str, Any] | None, of: dict[str, Any], name: str) -> None:
    """Raise UsageError if the state was kept for something else than `of`."""
    if state is None or state["of"] == of:
        return
    changed = [
        f"{word} was {state['of'][key] or 'none'} and is {of[key] or 'none'}"
        for key, word in _WORDS.items()
        if state["of"][key] != of[key]
    ]
    raise errors.UsageError(
        f"The watermark of config {name} belongs to other rows: {'; '.join(changed)}. Extract under another --name, "
        f"or take everything again after `extractctl watermark reset {name}`."
    )
