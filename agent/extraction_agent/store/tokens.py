"""Bearer tokens of the HTTP interface, and the extractions that their requests have begun."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import psycopg

from extraction_agent import errors
from extraction_agent.store.audit import Audit

_PREFIX = "extraction"  # so that whoever finds a token, a scanner of repositories say, knows what it is


class Scope(StrEnum):
    """What a token may do. None includes another."""

    READ = "read"
    OPERATE = "operate"
    TUNE = "tune"


@dataclass(frozen=True, slots=True)
class Token:
    """What the store knows of a token: not the token."""

    id: str
    name: str
    digest: bytes
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_of(self, text: str) -> bool:
        """Whether this is the token, compared in a time that tells nothing."""
        return hmac.compare_digest(self.digest, digest(text))

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "id": self.id,
            "scopes": sorted(self.scopes),
            "created_at": self.created_at.isoformat(),
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
            "revoked_at": None if self.revoked_at is None else self.revoked_at.isoformat(),
        }


def mint() -> str:
    """A new token: prefix, id and 256 random bits."""
    return f"{_PREFIX}_{secrets.token_hex(6)}_{secrets.token_hex(32)}"


def id_of(text: str) -> str:
    """The part that is no secret; of what is no token, something that no token has."""
    return text.removeprefix(f"{_PREFIX}_").partition("_")[0][:64]


def digest(text: str) -> bytes:
    """As the store keeps it. Random enough already: no salt, no slow hash."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


class Tokens(Audit):
    """The rows of tokens and idempotency keys."""

    def create_token(self, text: str, name: str, scopes: frozenset[Scope], seconds: float | None) -> Token:
        """seconds: how long it is valid. Raises UsageError for a name that is none, Conflict if a valid one has it."""
        if re.fullmatch(r"[A-Za-z0-9._@-]{1,64}", name) is None:
            raise errors.UsageError("A token's name is made of letters, digits, - _ . and @, 64 at most.")
        with self.transaction():
            self._run("retire_token", name=name)
            row = self._one(
                "insert_token",
                id=id_of(text),
                name=name,
                digest=digest(text),
                scopes=sorted(scopes),
                seconds=seconds,
            )
            if row is None:
                raise errors.Conflict(f"There is a valid token {name}: revoke it first, or choose another name.")
            made = Token(id_of(text), name, digest(text), scopes, row[0], row[1], None)
            self.audit(None, "token.created", f"token {name}", after=made.as_dict())
        return made

    def tokens(self, *, valid: bool = False) -> list[Token]:
        """All there ever were, or only those that are valid now."""
        rows = self._run("valid_tokens") if valid else self._run("tokens")
        return [Token(row[0], row[1], row[2], frozenset(map(Scope, row[3])), row[4], row[5], row[6]) for row in rows]

    def revoke_token(self, name: str) -> None:
        """Raises NotFound if no valid one has the name."""
        with self.transaction():
            row = self._one("revoke_token", name=name)
            if row is None:
                raise errors.NotFound(f"There is no valid token {name}; `extractctl token list` shows those there are.")
            self.audit(None, "token.revoked", f"token {name}", before={"id": row[0]})

    def keep_key(self, token_id: str, key: str, request: bytes, extraction_id: int) -> None:
        """Remember which extraction a request began; inside its transaction. Raises Conflict: it was sent twice."""
        try:
            self._run(
                "insert_idempotency_key", token_id=token_id, key=key, request=request, extraction_id=extraction_id
            )
        except errors.StoreError as error:
            if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                raise errors.Conflict("The same request has just begun an extraction elsewhere; try again.") from error
            raise

    def extraction_begun(self, token_id: str, key: str, request: bytes) -> int | None:
        """The extraction that a key has begun. Raises UsageError if it was sent with another request."""
        row = self._one("idempotency_key", token_id=token_id, key=key)
        if row is None:
            return None
        if bytes(row[0]) != request:
            raise errors.UsageError("This Idempotency-Key belongs to another request: take a new one for each.")
        return int(row[1])
