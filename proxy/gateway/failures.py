"""What can go wrong with a permitted request: each failure, with the status that the client gets.

Where the response has begun, the client gets no status: its connection is reset, and only the
access log has the failure. Tested in `tests/test_reasons.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.domain.reasons import GUESSED, BaseReason
from proxy.http1.faults import Fault

if TYPE_CHECKING:
    from proxy.gateway.pool import Pool


class Failure(BaseReason):
    """Why a request failed that was not denied."""

    CLIENT_CLOSED = (
        499,
        "client-closed",
        "The client closed its connection before its response was complete.",
    )
    BODY_INCOMPLETE = (
        400,
        "body-incomplete",
        "The client ended its side of the connection in the middle of a body.",
    )
    PROXY_PEER = (
        403,
        "proxy-peer",
        "A connection to a listener with `proxy_protocol` came from an address that is not in "
        "`trusted_proxies`. It is closed without an answer, as are those of the next reason.",
    )
    PROXY_HEADER = (
        400,
        "proxy-header",
        "A connection to a listener with `proxy_protocol` did not begin with a valid header of the "
        "PROXY protocol.",
    )
    HEAD_TIMEOUT = 408, "head-timeout", "The request head did not arrive within `head_timeout`."
    BODY_IDLE = 408, "body-idle", "Nothing of the request body arrived for `body_idle_timeout`."
    BODY_SLOW = 408, "body-slow", "The request body arrived more slowly than `body_min_rate`."
    CLIENT_STALLED = (
        408,
        "client-stalled",
        "The client read nothing of its response for `stalled_reader_timeout`.",
    )
    REVOKED = (
        401,
        "revoked",
        "The request was permitted at first, but no longer while it was in progress; the status is "
        "401 if the key stopped working, and 403 or 404 if it lost only a right.",
    )
    TUNNEL_IDLE = 504, "tunnel-idle", "Nothing passed through the tunnel for `tunnel_idle_timeout`."
    INTERNAL = 500, "internal", "The gateway failed; its own log has the traceback."
    STORE = 503, "store", "The store could not be read."
    BUSY = 503, "busy", "Too many credentials are waiting to be verified.", GUESSED
    TUNNELS = 503, "tunnels", "Half of the upstream's connections are tunnels already."
    SHUTTING_DOWN = 503, "shutting-down", "The gateway is stopping."
    UPSTREAM_BUSY = (
        503,
        "upstream-busy",
        "No connection to the upstream became free within `first_byte_timeout`, or `queue` "
        "requests were waiting for one already.",
    )
    UPSTREAM_BREAKER = (
        503,
        "upstream-breaker",
        "Too many requests to the upstream failed in a row: its circuit `breaker` is open.",
    )
    UPSTREAM_CONNECT_TIMEOUT = (
        504,
        "upstream-connect-timeout",
        "The upstream did not accept a connection within `connect_timeout`.",
    )
    UPSTREAM_UNREACHABLE = (
        502,
        "upstream-unreachable",
        "The upstream refused the connection, or its host was not found.",
    )
    UPSTREAM_TLS = 502, "upstream-tls", "The upstream's TLS handshake or certificate failed."
    UPSTREAM_CLOSED = (
        502,
        "upstream-closed",
        "The upstream closed before its response was complete.",
    )
    UPSTREAM_TIMEOUT = (
        504,
        "upstream-timeout",
        "The upstream's response did not begin within `first_byte_timeout`.",
    )
    UPSTREAM_IDLE = 504, "upstream-idle", "Nothing of the response arrived for `idle_timeout`."
    UPSTREAM_STALLED = 504, "upstream-stalled", "The upstream read nothing for `idle_timeout`."
    UPSTREAM_HEAD_SIZE = 502, "upstream-head-size", "The response's head is too large."
    UPSTREAM_LINE_END = 502, "upstream-line-end", "A line of the response does not end in CRLF."
    UPSTREAM_STATUS_LINE = 502, "upstream-status-line", "The response's status line is malformed."
    UPSTREAM_FIELD = 502, "upstream-field", "A field line of the response is malformed."
    UPSTREAM_LIST_SIZE = 502, "upstream-list-size", "A list in the response is too long."
    UPSTREAM_INTERIM = (
        502,
        "upstream-interim",
        "There were too many interim (1xx) responses, or one of them announced a body.",
    )
    UPSTREAM_CONTENT_LENGTH = (
        502,
        "upstream-content-length",
        "The response's Content-Length is repeated or not a number.",
    )
    UPSTREAM_TRANSFER_ENCODING = (
        502,
        "upstream-transfer-encoding",
        "The response's Transfer-Encoding is not just `chunked`.",
    )
    UPSTREAM_TRANSFER_CODING = (
        502,
        "upstream-transfer-coding",
        "The response's transfer coding is known but not supported.",
    )
    UPSTREAM_UPGRADE = (
        502,
        "upstream-upgrade",
        "The upstream switched to a protocol that the client did not offer, or switched before it "
        "had received the whole request.",
    )
    UPSTREAM_CHUNK_SIZE = 502, "upstream-chunk-size", "A chunk's size line is malformed."
    UPSTREAM_CHUNK_TOO_LARGE = 502, "upstream-chunk-too-large", "A chunk is too large."
    UPSTREAM_CHUNK_END = 502, "upstream-chunk-end", "A chunk's data is not followed by CRLF."
    UPSTREAM_TRAILERS = 502, "upstream-trailers", "The response's trailer section is malformed."


class UpstreamFailure(NamedTuple):
    """How an upstream failed a request."""

    reason: Failure
    unanswered: bool = False
    """Whether the connection had been used before, and closed without a byte of a response: then a
    request that is safe to repeat may be sent once more (RFC 9110 section 9.2.2)."""
    unsent: bool = False
    """Whether there was no connection, so that nothing of the request can have been sent."""
    unheard: bool = False
    """Whether nothing of a response came."""
    pool: Pool | None = None
    """Of the target that failed, if it was one."""


OF_RESPONSES: Final = {
    fault: Failure[name]
    for fault in Fault
    if (name := f"UPSTREAM_{fault.name}") in Failure.__members__
}
"""Fault in a response → the failure that it is."""

OF_TARGETS: Final = frozenset(
    {Failure.UPSTREAM_TIMEOUT, Failure.UPSTREAM_IDLE, Failure.UPSTREAM_STALLED}
)
"""Deadlines that a target misses, not the client."""
