"""The audit log: who changed what, in a chain of hashes that shows what was changed or removed afterwards."""

import getpass
import hashlib
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from extraction_agent import errors
from extraction_agent.store.connection import StoreConnection, jsonb

_BATCH = 5000  # entries read at once by verify
_PASSWORD = re.compile(
    r"(?<=://)([^:/@\s]*):[^@/\s]+(?=@)|\b((?:ssl)?passw(?:or)?d\s*=\s*)('[^']*'|[^\s&]+)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One change."""

    id: int
    at: datetime
    who: str
    action: str
    object: str
    request: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "at": self.at.isoformat(),
            "who": self.who,
            "action": self.action,
            "object": self.object,
            "request": self.request,
            "before": self.before,
            "after": self.after,
        }


class Anchor(NamedTuple):
    """An entry's number and hash, to be kept elsewhere: whoever can rewrite the whole chain cannot rewrite that."""

    id: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> "Anchor":
        """Raises UsageError."""
        found = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64}|)", text.strip())
        if found is None or (found[1] == "0") != (found[2] == ""):
            raise errors.UsageError(
                f"An anchor is NUMBER:HASH as `extractctl audit verify` prints it; {text!r} is not."
            )
        return cls(int(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.id}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What the chain looks like."""

    entries: int
    anchor: Anchor  # its end
    faults: list[str]  # sentences


class Audit(StoreConnection):
    """Entries are written in the transaction of the change they tell of."""

    who: str | None = None  # in whose name this connection acts; None: the person at the command line
    request: str | None = None  # the HTTP request it acts for

    @contextmanager
    def acting(self, who: str, request: str | None = None) -> Iterator[None]:
        """What is changed inside is done in this name: token:NAME, schedule, agent:NAME."""
        before = self.who, self.request
        self.who, self.request = who, request
        try:
            yield
        finally:
            self.who, self.request = before

    def audit(
        self,
        who: str | None,
        action: str,
        object_: str,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> None:
        """Add an entry in the caller's transaction. who: None for whom this connection acts for."""
        self._run(
            "insert_audit",
            who=who or self.who or person(),
            action=action,
            object=object_,
            request=self.request,
            before=jsonb(_without_passwords(before)),
            after=jsonb(_without_passwords(after)),
        )

    def entries(self, limit: int, below: int | None = None, object_: str | None = None) -> list[Entry]:
        """Newest first. below: older than this one; object_: of this object only."""
        return [Entry(*row) for row in self._run("audit_entries", limit=limit, below=below, object=object_)]

    def verify_audit(self, anchor: Anchor | None = None) -> Verified:
        """Read the whole chain, as of one moment, and compute every hash anew."""
        chain = Chain(anchor)
        with self.transaction():
            self._run("one_moment")
            while (verified := self._follow(chain, _BATCH)) is None:
                pass
        return verified

    def follow_audit(self, chain: "Chain", most: int) -> Verified | None:
        """Go on along the chain by so many entries at most, as of one moment. None: it has not come to the end."""
        with self.transaction():
            self._run("one_moment")
            return self._follow(chain, most)

    def _follow(self, chain: "Chain", most: int) -> Verified | None:
        batch = self._run("audit_chain", after=chain.last, limit=most).fetchall()
        for row in batch:
            chain.add(*row)
        if len(batch) == most:
            return None
        head = self._one("audit_head")
        return chain.end(None if head is None else Anchor(head[0], bytes(head[1]).hex()))


class Chain:
    """Follows the chain entry by entry; each fault is told once, and the chain goes on behind it."""

    def __init__(self, anchor: Anchor | None = None) -> None:
        self.last = 0
        self.faults: list[str] = []  # sentences
        self._hash = b""
        self._anchor = anchor
        self._entries = 0

    def add(self, number: int, text: str, previous: bytes, hash_: bytes) -> None:
        self._entries += 1
        gap = number != self.last + 1
        if gap:
            self.faults.append(f"{_missing(self.last + 1, number - 1)} missing.")
        elif previous != self._hash:
            self.faults.append(f"Entry {number} does not follow entry {self.last}: one of them was replaced or moved.")
        if hashlib.sha256(previous + text.encode()).digest() != hash_:
            self.faults.append(f"Entry {number} was altered.")
        if self._anchor is not None and number == self._anchor.id and hash_.hex() != self._anchor.hash:
            self.faults.append(f"Entry {number} is not the one the anchor was taken of: the chain was written anew.")
        self.last, self._hash = number, hash_

    def end(self, head: Anchor | None) -> Verified:
        end = Anchor(self.last, self._hash.hex())
        if head is None:
            self.faults.append("The record of the chain's end is missing.")
        elif head.id > end.id:
            self.faults.append(f"{_missing(end.id + 1, head.id)} missing at the end.")
        elif head != end:
            self.faults.append(f"The chain ends with entry {end.id}, its record says {head}: one of them was altered.")
        if self._anchor is not None and self._anchor.id > max(end.id, head.id if head else 0):
            self.faults.append(
                f"{_missing(end.id + 1, self._anchor.id)} missing: the anchor is of entry {self._anchor.id}."
            )
        return Verified(self._entries, end, self.faults)


def _missing(first: int, last: int) -> str:
    return f"Entry {first} is" if first == last else f"Entries {first} to {last} are"


def _without_passwords(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """None should be in there; one in a URL or a connection string is blanked before it is kept for good."""
    cleaned: dict[str, Any] | None = _cleaned(value)
    return cleaned


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _PASSWORD.sub(lambda found: f"{found[2]}…" if found[2] else f"{found[1]}:…", value)
    if isinstance(value, dict):
        return {str(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value


@cache
def person() -> str:
    """The one at the command line."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        name = "unknown"
    return f"cli:{name}@{socket.gethostname()}"
