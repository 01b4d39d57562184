"""Passwords of sources: never in the store; found by name where an operator put them."""

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from extraction_agent import errors, textfiles

_ENVIRONMENT = "EXTRACTION_SECRET_"
_SHORTEST_HIDDEN = 4  # letters: hiding each "a" would hide nothing and spoil the logs
_PARAMETERS = {"password", "passwd", "sslpassword"}


def split(url: str) -> tuple[str, str | None]:
    """A URL without its password, and the password. Raises UsageError for one where it could not be taken out."""
    try:
        parts = urlsplit(url)
        unclear = parts.scheme != "sqlite" and "@" not in parts.netloc and "@" in url
    except ValueError:  # it takes a [ for the begin of an IPv6 address
        unclear = True
    if unclear:  # libpq takes such a password all the same
        raise errors.UsageError(
            "The URL's password holds one of / ? # [ ], or a later part of the URL an @: write them as %2F %3F %23 %5B "
            "%5D %40, or use --secret."
        )
    if _PARAMETERS & {name for name, _value in parse_qsl(parts.query, keep_blank_values=True)}:
        raise errors.UsageError(
            "A password among the URL's parameters would be kept in the store: put it before the @, or use --secret."
        )
    if parts.password is None:
        return url, None
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.split(':', 1)[0]}@{host}")), unquote(parts.password)


def join(url: str, password: str | None) -> str:
    """The reverse of split."""
    if password is None:
        return url
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        raise errors.UsageError("A password needs a user: write scheme://user@host/database.")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))


def variable(name: str) -> str:
    """The environment variable of a secret's name; two names of one variable are one secret."""
    return _ENVIRONMENT + name.upper().replace("-", "_")


def credential(path: Path) -> str | None:
    """The name of the systemd credential that a file is; None: it is none."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return path.name if directory and path.parent == Path(directory) else None


def resolve(name: str) -> str:
    """The secret of a name: a systemd credential, else an environment variable. Raises UsageError."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise errors.UsageError(f"A secret's name holds letters, digits, - and _ only; {name!r} does not.")
    place = variable(name)
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory and (path := Path(directory) / name).is_file():
        return _remember(textfiles.read(path, f"The secret {name}").rstrip("\n"))
    if place in os.environ:
        return _remember(os.environ[place])
    raise errors.UsageError(
        f"The secret {name} is not here: set {place}, or give it as a systemd credential (LoadCredential={name}:…)."
    )


_known: set[str] = set()


def known() -> frozenset[str]:
    """Secrets this process has read, as they are and as a URL holds them: what no log may contain."""
    return frozenset(_known)


def _remember(secret: str) -> str:
    if len(secret) >= _SHORTEST_HIDDEN:
        _known.update((secret, quote(secret, safe="")))
    return secret
