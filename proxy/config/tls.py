"""TLS contexts, for clients and for upstreams. Tested in `tests/proxy/config/test_tls.py`, and with
connections in `tests/test_tls.py` and `tests/test_client_certificates.py`."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final, Literal

_NOT_ITS_KEY: Final = frozenset(
    {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}
)
"""What OpenSSL calls that; the last where the certificate has a key of another kind."""


class PairError(Exception):
    """A certificate and a private key cannot be used together. Its text says why."""

    def __init__(self, part: Literal["certificate", "key"], message: str) -> None:
        """`part` is the file to change."""
        super().__init__(message)
        self.part = part


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The context of a listener: TLS 1.2 and up, HTTP/1.1 only. Raises `PairError`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    present(context, certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def present(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Have `context` present a certificate (with its chain) and prove that it has the key. Both are
    PEM files. Raises `PairError`."""
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason in _NOT_ITS_KEY:
            raise PairError("key", "is not the key of this certificate") from None
        together = "this file and the key should be PEM files that belong together"
        raise PairError("certificate", together) from None
    except OSError as error:  # it was there a moment ago
        why = f"cannot read this file or the key: {error.strerror}"
        raise PairError("certificate", why) from None
    except ValueError as error:
        raise PairError("key", str(error)) from None


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
