"""Which source URLs may come from a client: what the configuration allows, and never what lies behind the agent.

A person at the command line may name what they may reach anyway; a client of the HTTP interface would borrow the
agent's place in the network, its files and its secrets.
"""

import ipaddress
import re
import socket
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, unquote, urlsplit

from extraction_agent import errors, secrets
from extraction_agent.config import Sources
from extraction_agent.sources import kind_of

# Nothing among them names a file, a socket or another host.
_OPTIONS = {
    "postgresql": frozenset({"sslmode", "channel_binding", "target_session_attrs", "gssencmode"}),
    "mysql": frozenset({"ssl-mode"}),
}
_CHARACTER = r"([A-Za-z0-9._~!$&'()*+;=-]|%[1-9A-Fa-f][0-9A-Fa-f]|%0[1-9A-Fa-f])"  # of a URL, NUL apart
_PART = _CHARACTER + "{1,200}"
_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}"
_H = "[0-9A-Fa-f]{1,4}"
_SIXES = [f"({_H}:){{7}}{_H}", f"({_H}:){{1,7}}:", f":(:{_H}){{1,7}}", "::"]
_SIXES += [f"({_H}:){{1,{before}}}(:{_H}){{1,{7 - before}}}" for before in range(1, 7)]
_HOST = rf"({_NAME}|\[({'|'.join(_SIXES)})\])(:{_PORT})?"
_HOSTS = rf"({_HOST}|{_NAME}(:{_PORT})?(,{_NAME}(:{_PORT})?){{1,7}})"  # more than one is libpq's way
_END = rf"/({_PART})?(\?[a-z_-]{{1,40}}=[A-Za-z0-9._-]{{1,40}}(&[a-z_-]{{1,40}}=[A-Za-z0-9._-]{{1,40}}){{0,7}})?"
SHAPE = (  # what a URL must look like
    rf"^((postgresql|postgres)://({_PART}@)?{_HOSTS}{_END}"
    rf"|(mysql|mariadb)://({_PART}@)?{_HOST}{_END}"
    rf"|sqlite:///({_CHARACTER}|/){{1,1000}})$"
)
# Beside what is link-local: the metadata services of clouds that have another address.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
_METADATA_NAMES = ("metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check(url: str, sources: Sources) -> None:
    """Raise UsageError for a URL that is not understood, Forbidden for one that is not allowed; nothing is asked."""
    kind = kind_of(url)
    _, password = secrets.split(url)
    if password is not None:
        raise errors.UsageError(
            "The URL holds a password, which would be kept and shown: leave it out, give the agent a secret (systemd "
            "credential NAME, or EXTRACTION_SECRET_NAME) and name that as `secret`."
        )
    scheme = url.partition("://")[0]
    scheme = "postgresql" if scheme == "postgres" else scheme
    if scheme not in sources.schemes:
        raise errors.Forbidden(
            f"Sources of the scheme {scheme} are not allowed here: the configuration's sources.schemes has "
            f"{', '.join(sources.schemes)}."
        )
    if re.fullmatch(SHAPE, url) is None:
        raise errors.UsageError(
            "The source URL is not of the form postgresql://user@host:port/database, mysql://user@host:port/database "
            "or sqlite:///absolute/path: characters but letters, digits and -._~ are written as %20 and the like."
        )
    if kind == "sqlite":
        return
    _check_options(url, _OPTIONS[kind])
    for host in hosts(url):
        _check_host(host, sources)


def check_addresses(url: str) -> None:
    """Raise Forbidden if a host's name leads to an address that is not allowed. Asks the resolver."""
    if kind_of(url) == "sqlite":
        return
    for host in hosts(url):
        for address in _addresses(host):
            _refuse_internal(address, host)


def hosts(url: str) -> list[str]:
    """All that a URL names: libpq takes several. Raises UsageError for a URL without one, or with a socket's path."""
    try:
        netloc = urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        raise errors.UsageError("The host of the source URL cannot be read.") from None
    found = [unquote(_without_port(one)).rstrip(".").lower() for one in netloc.split(",")]
    if not all(found):
        raise errors.UsageError("The source URL names no host: write scheme://user@host:port/database.")
    if any(host.startswith(("/", "@", "\\")) for host in found):
        raise errors.Forbidden("The source URL names a socket of the agent's own host: give a host name.")
    return found


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


def _check_options(url: str, known: frozenset[str]) -> None:
    for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        if name not in known:
            raise errors.Forbidden(
                f"The source URL's option {name[:40]!r} is not allowed: it may name a file or another host. "
                f"Allowed are {', '.join(sorted(known))}."
            )


def _check_host(host: str, sources: Sources) -> None:
    if host in _METADATA_NAMES:
        raise errors.Forbidden(f"{host} is a cloud's metadata service, never a source.")
    address = _as_address(host)
    if address is not None:
        _refuse_internal(address, host)
    if sources.hosts is not None and not any(fnmatchcase(host, pattern.lower()) for pattern in sources.hosts):
        raise errors.Forbidden(f"The host {host} is not allowed: the configuration's sources.hosts does not have it.")


def _as_address(host: str) -> Address | None:
    """Of a host that is an address, in whatever spelling the resolver takes (0xa9fea9fe, 2852039166); None: a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _refuse_internal(address: Address, host: str) -> None:
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or _through_nat64(address) or address
    if address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA:
        raise errors.Forbidden(
            f"The host {host} leads to {address}, which is link-local or a cloud's metadata service, never a source."
        )


def _through_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def _addresses(host: str) -> list[Address]:
    """What the resolver says; nothing if it does not know the name, which connecting will tell better."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
