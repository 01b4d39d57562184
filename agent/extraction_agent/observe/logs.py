"""Logs: one JSON object a line on stderr, for the journal. What is a secret, or looks like one, is taken out."""

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from extraction_agent import secrets

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
extraction_id: ContextVar[int | None] = ContextVar("extraction_id", default=None)

_HIDDEN = "***"
_LOOKS_SECRET = (
    (re.compile(r"(?i)\b((?:ssl)?passw(?:or)?d\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s,;&]+)"), rf"\1{_HIDDEN}"),
    (re.compile(r"(?i)\b(bearer\s+)\S+"), rf"\1{_HIDDEN}"),
)
_URL = re.compile(r"\w://\S+")
_USER = re.compile(r"://[^\s:/@]*:")
# Syslog's priorities, which journald takes from the begin of a line: `journalctl -p err` finds errors.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_NOISY = {"procrastinate": logging.CRITICAL, "psycopg": logging.ERROR, "aiohttp.access": logging.WARNING}


@contextmanager
def about(extraction: int) -> Iterator[None]:
    """All that this thread or task logs inside bears the extraction's number."""
    token = extraction_id.set(extraction)
    try:
        yield
    finally:
        extraction_id.reset(token)


def redact(text: str) -> str:
    """A text without the secrets that this process has read, and without what looks like one."""
    for secret in secrets.known():
        text = text.replace(secret, _HIDDEN)
    text = _URL.sub(_without_password, text)
    for pattern, instead in _LOOKS_SECRET:
        text = pattern.sub(instead, text)
    return text


def _without_password(url: re.Match[str]) -> str:
    """scheme://user:password@host, whatever the password holds. It looks at each letter once: anybody may send it."""
    text = url[0]
    end = text.rfind("@")
    user = _USER.search(text, 0, max(end, 0))
    return text if user is None else f"{text[: user.end()]}{_HIDDEN}{text[end:]}"


class Json(logging.Formatter):
    """One record as one line."""

    def __init__(self, *, priorities: bool) -> None:
        """priorities: begin each line with syslog's, as journald takes them."""
        super().__init__()
        self._priorities = priorities

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, str | int | None] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
            "thread": record.threadName,
            "request_id": request_id.get(),
            "extraction_id": extraction_id.get(),
        }
        if record.exc_info:
            fields["fault"] = redact(self.formatException(record.exc_info))
        line = json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)
        return f"<{_PRIORITIES.get(record.levelno, 6)}>{line}" if self._priorities else line


def to_stderr(level: str) -> None:
    """Log everything from this level on. Called again, it changes the level."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    for name, least in _NOISY.items():  # each retry of theirs would be a line; what it means, we say ourselves
        logging.getLogger(name).setLevel(max(least, root.level) if level != "debug" else logging.DEBUG)
    if not any(isinstance(handler.formatter, Json) for handler in root.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(Json(priorities=_in_journal()))
        root.handlers = [handler]


def _in_journal() -> bool:
    """Whether stderr is journald's stream; the variable alone is inherited by who writes elsewhere."""
    about_stderr = os.fstat(sys.stderr.fileno())
    return os.environ.get("JOURNAL_STREAM") == f"{about_stderr.st_dev}:{about_stderr.st_ino}"
