"""TLS contexts, for clients and for upstreams. Tested in `tests/test_tls.py`."""

from __future__ import annotations

import ssl

from proxy.config.model import Tls
from proxy.config.upstream import Upstream
from proxy.domain.model import WardgateError


def server_context(tls: Tls) -> ssl.SSLContext:
    """The context of a listener: TLS 1.2 and up, HTTP/1.1 only. Raises `WardgateError`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise WardgateError(f"tls: {tls.certificate}: {error}") from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_context(upstream: Upstream) -> ssl.SSLContext:
    """The context that verifies an upstream. Raises `WardgateError`."""
    try:
        context = ssl.create_default_context(cafile=upstream.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise WardgateError(f"ca_file {upstream.ca_file}: {error}") from None
    if not upstream.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
