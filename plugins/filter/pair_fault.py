"""Whether a certificate and a key belong together."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pair_fault
short_description: Says why a certificate and a key cannot be used together
description: Loads both on the controller, as a server would, before a host is given them.
version_added: 0.1.0
author: The extraction agent's developers (!UNKNOWN)
positional: key
options:
  _input:
    description: The certificate and those that vouch for it, as PEM text.
    type: str
    required: true
  key:
    description: The certificate's private key, as PEM text without a password.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: They belong together
  ansible.builtin.assert:
    that: certificate | jivs.extraction.pair_fault(key) == ""
"""

RETURN = r"""
_value:
  description: Why not, without anything of the key; empty if they belong together.
  type: str
"""

import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def pair_fault(certificate: str, key: str) -> str:
    """Why they cannot be used together; empty if they can. Raises OSError if there is no room for files."""
    with TemporaryDirectory() as folder:  # only its owner can read there; the library takes files alone
        files = Path(folder) / "tls.pem", Path(folder) / "tls.key"
        for file, text in zip(files, (certificate, key), strict=True):
            file.write_text(text, encoding="utf-8")
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files, password="")
        except (ssl.SSLError, ValueError) as error:  # the one without a reason: the text is no PEM
            reason = getattr(error, "reason", None) or "one of them is no PEM text, or the key has a password"
            return str(reason).replace("_", " ").lower()
    return ""


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Any]:
        return {"pair_fault": pair_fault}
