"""Requests to an agent: whom the token is told to, until when an answer is waited for, what an error comes to."""

import http.client
import ipaddress
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from extraction_agent import deadlines, errors

_PROBLEM, _JSON = "application/problem+json", "application/json"
_ERRORS: dict[int, type[errors.ExtractionError]] = {
    HTTPStatus.UNAUTHORIZED: errors.Forbidden,
    HTTPStatus.FORBIDDEN: errors.Forbidden,
    HTTPStatus.NOT_FOUND: errors.NotFound,
    HTTPStatus.CONFLICT: errors.Conflict,
    HTTPStatus.FAILED_DEPENDENCY: errors.SourceError,
    HTTPStatus.TOO_MANY_REQUESTS: errors.AgentUnavailable,
    HTTPStatus.BAD_GATEWAY: errors.AgentUnavailable,
    HTTPStatus.SERVICE_UNAVAILABLE: errors.AgentUnavailable,
    HTTPStatus.GATEWAY_TIMEOUT: errors.AgentUnavailable,
}


@dataclass(frozen=True, slots=True)
class Token:
    """What opens the agent, and where it was found, for whom it does not."""

    text: str
    origin: str

    def __repr__(self) -> str:
        return f"Token(…, {self.origin!r})"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    media_type: str
    retry_after: float | None  # s
    location: str
    text: str

    @property
    def words(self) -> str:
        """The status as a person reads it."""
        phrase = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "unknown"
        return f"{self.status} {phrase}"


class Http:
    """An agent's address. Follows no redirect and no proxy of the environment: the token is for the agent alone."""

    def __init__(self, url: str, token: Token, ca_file: Path | None = None, *, plain: bool = False) -> None:
        """plain: http to another host is allowed. Raises UsageError."""
        self.url = url.rstrip("/")
        self._token = token
        self._connection, self._base = _opener(self.url, ca_file, plain=plain)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> str:
        """The answer's text, JSON or nothing; an agent that has no room is asked again for a while.

        body: sent as JSON; query: without what is None; seconds: from the first byte sent to the last received.
        Raises AgentUnavailable, UsageError, Conflict, SourceError, ExtractionError.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{self._base}{path}{'?' + urlencode(given) if given else ''}"
        sent = {"Accept": f"{_JSON}, {_PROBLEM}", "Authorization": f"Bearer {self._token.text}", **(headers or {})}
        content = None
        if body is not None:
            sent["Content-Type"], content = _JSON, json.dumps(body).encode()
        until = time.monotonic() + deadlines.AGENT_BUSY
        while True:
            answer = self._once(method, target, content, sent, seconds or deadlines.AGENT)
            pause = answer.retry_after or 1.0
            if answer.status != HTTPStatus.TOO_MANY_REQUESTS or time.monotonic() + pause > until:
                return self._told(answer)
            time.sleep(pause)

    def _once(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str], seconds: float
    ) -> _Answer:
        connection = self._connection()
        connection.timeout = deadlines.CONNECT
        try:
            self._connect(connection)
            with _within(connection.sock, seconds) as cut:
                try:
                    connection.request(method, target, body, dict(headers))
                    with connection.getresponse() as response:
                        media_type = response.headers.get_content_type()
                        text = response.read().decode() if media_type in {_JSON, _PROBLEM} else ""
                    complete = not cut.is_set()
                except (OSError, http.client.HTTPException, UnicodeDecodeError):
                    complete = False
            if not complete:
                raise errors.AgentUnavailable(self._lost(method, seconds if cut.is_set() else None))
        finally:
            connection.close()
        retry = response.headers.get("Retry-After", "")
        return _Answer(
            response.status,
            media_type,
            float(retry) if re.fullmatch(r"\d{1,6}", retry) else None,
            response.headers.get("Location", ""),
            text,
        )

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:  # UnicodeError: a label of the host's name is too long
            if isinstance(error, ssl.SSLCertVerificationError):
                raise errors.ExtractionError(
                    f"The certificate of {self.url} is not trusted: {error.verify_message}. Check the URL's host, or "
                    "name the file of the authority that signed it with --ca-file."
                ) from error
            if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
                raise errors.ExtractionError(
                    f"{self.url} does not speak TLS as we do ({error.reason}): check the port, and whether it is http."
                ) from error
            raise errors.AgentUnavailable(f"The agent {self.url} cannot be reached: {_why(error)}.") from error

    def _lost(self, method: str, seconds: float | None) -> str:
        how = "broke off without an answer" if seconds is None else f"did not answer within {seconds:g} s"
        left = "" if method == "GET" else " Whether it did what was asked is not known: look before you ask again."
        tls = "; does it speak TLS (https)?" if seconds is None and self.url.startswith("http:") else "."
        return f"The agent {self.url} {how}{tls}{left}"

    def _told(self, answer: _Answer) -> str:
        """The text of a good answer; any other as an error."""
        good = HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES
        if good and (answer.media_type == _JSON or answer.status == HTTPStatus.NO_CONTENT):
            return answer.text
        kind = _ERRORS.get(answer.status, errors.UsageError if answer.status < 500 else errors.ExtractionError)
        if 300 <= answer.status < 400:
            raise errors.UsageError(
                f"{self.url} answers with a redirect to {_clean(answer.location) or 'nowhere'}, which the token does "
                "not follow: give the agent's own URL."
            )
        detail = _detail(answer.text) if answer.media_type == _PROBLEM else None
        if detail is None:
            said = f"{answer.words}, {_clean(answer.media_type)}"
            if issubclass(kind, errors.AgentUnavailable):
                raise kind(f"The agent {self.url} is away: a server before it answers {said}.")
            raise errors.UsageError(f"{self.url} does not answer as an agent does ({said}): check the URL.")
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            detail = f"{detail} Asked was {self.url} with the token of {self._token.origin}."
        raise kind(detail)


def scrape(url: str, ca_file: Path | None = None) -> str:
    """What an agent's /metrics says. It is open to all, so no token is sent. Raises AgentUnavailable, UsageError."""
    opener, base = _opener(url.rstrip("/"), ca_file, plain=True)
    connection = opener()
    connection.timeout = deadlines.SAMPLE
    try:
        connection.request("GET", f"{base}/metrics", headers={"Accept": "text/plain"})
        with connection.getresponse() as response:
            text = response.read().decode()
    except ssl.SSLCertVerificationError as error:
        raise errors.ExtractionError(f"The certificate of {url} is not trusted: {error.verify_message}.") from error
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        why = _why(error) if isinstance(error, OSError | UnicodeError) else "it broke off without an answer"
        raise errors.AgentUnavailable(f"The agent {url} cannot be reached: {why}.") from error
    finally:
        connection.close()
    if response.status != HTTPStatus.OK:
        raise errors.UsageError(f"{url} does not answer as an agent does ({response.status}): check the URL.")
    return text


Opener = Callable[[], http.client.HTTPConnection]


def _opener(url: str, ca_file: Path | None, *, plain: bool) -> tuple[Opener, str]:
    """What makes connections to the URL's host, and the path before every other."""
    wrong = errors.UsageError("An agent's URL is https://HOST:PORT or http://127.0.0.1:PORT, without user and query.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        raise wrong from None
    if not host or re.fullmatch(r"[!-~]*", url) is None or set("@?#") & set(url):
        raise wrong
    if parts.scheme == "https":
        context = _trust(ca_file)
        return lambda: http.client.HTTPSConnection(host, port, context=context), parts.path
    if not plain and not _is_loopback(host):
        raise errors.UsageError(
            f"The token would go to {host} in clear: give the https:// URL, or say --plain-http if nobody is between."
        )
    return lambda: http.client.HTTPConnection(host, port), parts.path


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise errors.UsageError(f"The CA file {ca_file} holds no certificate in PEM form.") from None
    except OSError as error:
        raise errors.UsageError(f"The CA file {ca_file} cannot be read: {error.strerror}.") from error


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _within(connection: socket.socket, seconds: float) -> Iterator[threading.Event]:
    """Whatever is waited for at the connection ends after so many seconds; then the event is set."""
    connection.settimeout(None)
    cut = threading.Event()

    def end() -> None:
        cut.set()
        with suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)  # TLS's own may take its state from under a read

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield cut
    finally:
        timer.cancel()
        timer.join()


def _why(error: OSError | UnicodeError) -> str:
    if isinstance(error, TimeoutError):
        return f"no connection within {deadlines.CONNECT:g} s; check the address, and firewalls between"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there; check that it runs, and the port"
    if isinstance(error, socket.gaierror | UnicodeError):
        return "nobody knows the host's name; check it"
    return (error.strerror or str(error)).lower()


def _detail(text: str) -> str | None:
    """What a problem says; None: it is none."""
    try:
        detail = json.loads(text)["detail"]
    except (ValueError, LookupError, TypeError):
        return None
    return _clean(detail) if isinstance(detail, str) else None


def _clean(text: str) -> str:
    """What another program has said, without what would move a terminal's cursor."""
    return "".join(character if character.isprintable() else " " for character in text)[:2000]
