"""TLS contexts, for clients and for upstreams. Tested in `tests/test_tls.py`."""

from __future__ import annotations

import ssl
from pathlib import Path


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The context of a listener: TLS 1.2 and up, HTTP/1.1 only.

    Raises OSError, of which SSLError is one, and ValueError for a key with a pass phrase.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key, password=_no_password)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    """Called for an encrypted key, instead of a prompt on the terminal."""
    raise ValueError("is encrypted: use a key without a pass phrase")


def client_context(ca_file: Path | None, *, verify: bool) -> ssl.SSLContext:
    """The context that verifies an upstream, by the system's authorities where there is no
    `ca_file`. Raises OSError, of which SSLError is one."""
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
