"""What the program has logged as wrong lately, kept in memory for whoever looks at the agent."""

import logging
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from extraction_agent.observe import logs

_MOST = 20  # records
_LONGEST = 500  # characters of a message


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of the log, from warnings up, without secrets."""

    at: datetime
    level: str
    message: str  # its first line
    extraction_id: int | None


class Recent(logging.Handler):
    """Safe for many threads."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._kept: deque[Entry] = deque(maxlen=_MOST)

    def emit(self, record: logging.LogRecord) -> None:
        message = logs.redact(record.getMessage()).partition("\n")[0]
        self._kept.append(
            Entry(
                at=datetime.fromtimestamp(record.created, UTC),
                level=record.levelname.lower(),
                message=message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…",
                extraction_id=logs.extraction_id.get(),
            )
        )

    def entries(self) -> list[Entry]:
        """The latest last."""
        return list(self._kept.copy())  # in one step, however many log meanwhile
