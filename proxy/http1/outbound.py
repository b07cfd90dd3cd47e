"""Heads as they leave the gateway: built anew, with the gateway's own fields last. Pure, no I/O.

What they say of the client is made in `http1.forwarding`. Tested in
`tests/hostile/test_requests.py` and `tests/proxy/gateway/test_memo.py`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from proxy.domain.prefix import Prefix
from proxy.http1.head import Head
from proxy.http1.redirects import Redirects


class Origin(NamedTuple):
    """How requests to one upstream are addressed."""

    authority: bytes
    """Its own host and port, for the Host field. It never comes from a request."""
    preserve_host: bool = False
    authorization: bytes | None = None
    """The value of Authorization, in place of the client's; None: see `forward_authorization`."""
    forward_authorization: bool = False
    alone_with_body: bool = False
    """Whether no other request may follow one with a body on its connection."""
    via: bool = False
    """Whether requests have a Via field."""
    redirects: Redirects | None = None
    """Rewrites redirects to the upstream itself; None: they are passed on."""


def stands_alone(head: Head, origin: Origin) -> bool:
    """Whether the upstream is asked to close after this request, and gets no other one on its
    connection. See `Head.alone`.

    A server that answers a request without reading its body may take the body for the next request.
    Nobody else can see that it does.
    """
    return head.alone or (origin.alone_with_body and head.has_body)


def before_fields(head: Head, origin: Origin, prefix: Prefix | None = None) -> bytes:
    """The part of the upstream's head before the client's own fields. With `prefix`, the path has
    another beginning."""
    request = head.request
    if prefix is None:
        line = head.line if request.minor else head.line[:-1] + b"1"
    else:
        target = prefix.outbound(request.path) + (request.query or b"")
        line = b"%b %b HTTP/1.1" % (request.method, target)
    host = (origin.preserve_host and head.fields.host) or origin.authority
    return b"%b\r\nHost: %b\r\n" % (line, host)


def after_fields(
    head: Head, origin: Origin, forwarding: bytes, upgrade: bytes | None = None
) -> bytes:
    """The part after the client's own fields, but for request id and identity: at most one framing
    field, which says what the gateway will send, and the lines about the client (`forwarding`)."""
    request, fields, parts = head.request, head.fields, []
    if fields.chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    elif fields.length is not None:
        parts.append(b"Content-Length: %d\r\n" % fields.length)
    if fields.expect and request.minor and head.has_body:
        parts.append(
            b"Expect: 100-continue\r\n"
        )  # without a body there is nothing to continue with
    if upgrade is not None:  # without `close`: a server might then decline
        parts.append(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % upgrade)
    elif stands_alone(head, origin):
        parts.append(b"Connection: close\r\n")
    if origin.authorization is not None:
        parts.append(b"Authorization: %b\r\n" % origin.authorization)
    elif origin.forward_authorization and fields.authorization:
        parts.append(b"Authorization:%b\r\n" % fields.authorization[0])
    if origin.via:
        parts.append(b"Via: 1.%d wardgate\r\n" % request.minor)
    parts.append(forwarding)
    return b"".join(parts)


REQUEST_HEAD: Final = b"%b%b%bX-Request-Id: %b\r\n%b\r\n"
"""The head that an upstream gets: `before_fields`, the client's lines that are passed on,
`after_fields`, the request's id, the lines that identify the key."""


RESPONSE_HEAD: Final = b"HTTP/1.1%b\r\n%b%bX-Request-Id: %b\r\n%b\r\n%b"
"""The head that a client gets: what follows the version in the status line, the upstream's lines,
Date and Transfer-Encoding lines or nothing, the request's id, a Connection line or nothing, and the
body if all of it is there."""
DATE: Final = b"Date: %b\r\n"
"""For a response that came without a Date (RFC 9110 section 6.6.1)."""
