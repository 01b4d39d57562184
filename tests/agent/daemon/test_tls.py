"""The daemon's port with a certificate: who is let in, who is not, and a certificate that is renewed."""

import http.client
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agent.daemon.conftest import MakeDaemon
from certificates import Authority
from daemons import PATIENCE, Daemon, until


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def secured(make_daemon: MakeDaemon, authority: Authority, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with a certificate. It must be well at the end."""
    certificate, key = authority.issue(tmp_path)
    daemon = make_daemon()
    daemon.configure(api={"tls": {"certificate": str(certificate), "key": str(key)}})
    daemon.start()
    yield daemon
    assert seen(daemon, authority.trust())
    errors = [record["message"] for record in daemon.log if record["level"] == "error"]
    assert all("The reload failed" in message for message in errors), errors
    daemon.stop()


def seen(daemon: Daemon, trusting: ssl.SSLContext) -> tuple[str, bytes]:
    """Of an answered request: the version of TLS, and the certificate."""
    address = urlsplit(daemon.url)
    assert address.scheme == "https"
    with closing(http.client.HTTPSConnection("127.0.0.1", address.port, timeout=PATIENCE, context=trusting)) as client:
        client.request("GET", "/liveness")
        answer = client.getresponse()
        assert answer.status == 200
        certificate = client.sock.getpeercert(binary_form=True)
        assert certificate is not None
        answer.read()
        return str(client.sock.version()), certificate


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_who_gets_in_and_who_does_not(secured: Daemon, authority: Authority) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        trusting = authority.trust()
        trusting.minimum_version = trusting.maximum_version = version
        assert seen(secured, trusting)[0] == version.name.replace("_", ".")

    old = authority.trust()
    old.set_ciphers("DEFAULT:@SECLEVEL=0")  # with which this client would speak them
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        seen(secured, old)
    until(lambda: secured.said("unsupported protocol"), "a word about it")

    with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        seen(secured, Authority().trust())
    until(lambda: secured.said("alert"), "the client's alert")

    with socket.create_connection(("127.0.0.1", urlsplit(secured.url).port or 0), PATIENCE) as plain:
        plain.sendall(b"GET /liveness HTTP/1.1\r\nHost: h\r\n\r\n")
        assert plain.recv(4096) == b""
    until(lambda: secured.said("http request"), "a word about it")


def test_a_renewed_certificate_is_shown_after_a_reload_and_a_broken_one_is_not(
    secured: Daemon, authority: Authority, tmp_path: Path
) -> None:
    _, first = seen(secured, authority.trust())
    (tmp_path / "new").mkdir()
    certificate, key = authority.issue(tmp_path / "new")
    shutil.copy(certificate, tmp_path / "tls.pem")  # and not yet its key
    assert "cannot be used" in secured.reload()["STATUS"]
    assert seen(secured, authority.trust())[1] == first
    shutil.copy(key, tmp_path / "tls.key")
    assert secured.reload()["STATUS"] == "ready, reloaded"
    assert seen(secured, authority.trust())[1] != first

    authority.issue(tmp_path, days=-1)
    assert secured.reload()["STATUS"] == "ready, reloaded"
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
        seen(secured, authority.trust())
    authority.issue(tmp_path)
    assert secured.reload()["STATUS"] == "ready, reloaded"
