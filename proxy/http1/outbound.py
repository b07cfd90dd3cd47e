"""Heads as they leave the gateway: built anew, with the gateway's own fields last. Pure, no I/O.

The upstream learns about the client what the gateway knows, never what the client says of itself.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from proxy.http1.fields import RequestFields
from proxy.http1.head import Head
from proxy.http1.redirects import Redirects

LOCAL: Final = "unix"
"""The address of a client that connects over a Unix socket."""


class Peer(NamedTuple):
    """The client's end of a connection: what an upstream learns about it."""

    address: str
    """An IP address, or `LOCAL`."""
    scheme: str
    trusted: bool
    """Whether it is a trusted proxy, whose own forwarding fields count."""


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
    """Leads redirects to the upstream itself to the gateway; None: they are passed on."""


def stands_alone(head: Head, origin: Origin) -> bool:
    """Whether the upstream is asked to close after this request, and gets no other one on its
    connection. See `Head.alone`.

    A server that answers a request without reading its body may take the body for the next request.
    Nobody else can see that it does.
    """
    return head.alone or (origin.alone_with_body and head.has_body)


def before_fields(head: Head, origin: Origin) -> bytes:
    """The part of the upstream's head before the client's own fields."""
    line = head.line if head.request.minor else head.line[:-1] + b"1"
    host = (origin.preserve_host and head.fields.host) or origin.authority
    return b"%b\r\nHost: %b\r\n" % (line, host)


def after_fields(head: Head, origin: Origin, peer: Peer, upgrade: bytes | None = None) -> bytes:
    """The part after the client's own fields, but for request id and identity: at most one framing
    field, which says what the gateway will send, and the fields about the client at `peer`."""
    request, fields, parts = head.request, head.fields, []
    if fields.chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    elif fields.length is not None:
        parts.append(b"Content-Length: %d\r\n" % fields.length)
    if fields.expect and request.minor and head.has_body:
        parts.append(
            b"Expect: 100-continue\r\n"
        )  # without a body there is nothing to continue with
    if stands_alone(head, origin):
        parts.append(b"Connection: close\r\n")
    if upgrade is not None:
        parts.append(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % upgrade)
    if origin.authorization is not None:
        parts.append(b"Authorization: %b\r\n" % origin.authorization)
    elif origin.forward_authorization and fields.authorization:
        parts.append(b"Authorization:%b\r\n" % fields.authorization[0])
    if origin.via:
        parts.append(b"Via: 1.%d wardgate\r\n" % request.minor)
    parts.append(forwarding_fields(fields, peer))
    return b"".join(parts)


REQUEST_HEAD: Final = b"%b%b%bX-Request-Id: %b\r\n%b\r\n"
"""The head that an upstream gets: `before_fields`, the client's lines that are passed on,
`after_fields`, the request's id, the lines that identify the key."""


def forwarding_fields(fields: RequestFields, peer: Peer) -> bytes:
    """X-Forwarded-* and Forwarded (RFC 7239) for a request with `fields` from `peer`."""
    if not peer.trusted:
        return _forwarding_of(peer, fields.host)
    return _forwarding(peer, fields.host, fields.values)


@lru_cache(maxsize=1024)
def _forwarding_of(peer: Peer, host: bytes | None) -> bytes:
    return _forwarding(peer, host, _nothing)


def _forwarding(
    peer: Peer, named: bytes | None, forwarded: Callable[[bytes], list[bytes]]
) -> bytes:
    """`named` is the Host field; `forwarded` has the forwarding fields of a trusted proxy."""
    hops = forwarded(b"x-forwarded-for") + (
        [peer.address.encode()] if peer.address != LOCAL else []
    )
    proto = _proto(peer, forwarded)
    host = _one(forwarded(b"x-forwarded-host"), _FORWARDED_HOST) or named
    port = _one(forwarded(b"x-forwarded-port"), _PORT) or _port_of(host, proto)
    lines = [b"X-Forwarded-For: " + b", ".join(hops)] if hops else []
    lines.append(b"X-Forwarded-Proto: " + proto)
    element = b"for=%b;proto=%b" % (_node(peer.address), proto)
    if host is not None:
        lines += (b"X-Forwarded-Host: " + host, b"X-Forwarded-Port: " + port)
        element += b';host="%b"' % host
    lines += (b"Forwarded: " + element, b"")
    return b"\r\n".join(lines)


def client_of(fields: RequestFields, peer: str, is_trusted: Callable[[str], bool]) -> str:
    """The client's address behind a trusted proxy at `peer`: of the hops in X-Forwarded-For, the
    last one that is not a trusted proxy itself."""
    hops = b",".join(fields.values(b"x-forwarded-for")).decode("latin-1").split(",")
    for hop in reversed(hops):
        address = _address(hop.strip())
        if address is None:
            break
        peer = address
        if not is_trusted(address):
            break
    return peer


def _address(hop: str) -> str | None:
    """The IP address in a hop, which may have a port; None where it has none. A zone is refused: it
    may be any text, and means nothing on another machine."""
    if "%" in hop:
        return None
    match = _HOP(hop)
    try:
        address = ipaddress.ip_address(match[1] or match[2] if match else hop)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


_HOP: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}").fullmatch
_PROTO: Final = re.compile(rb"https?").fullmatch
_PORT: Final = re.compile(rb"[0-9]{1,5}").fullmatch
_FORWARDED_HOST: Final = re.compile(
    rb"[A-Za-z0-9._-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?"
).fullmatch


def _nothing(_name: bytes) -> list[bytes]:
    return []


def _one(values: list[bytes], grammar: object) -> bytes | None:
    """The value of a field that came once and is well formed, else None."""
    assert callable(grammar)
    return values[0] if len(values) == 1 and grammar(values[0]) else None


def scheme_of(fields: RequestFields, peer: Peer) -> bytes:
    """The scheme of the URL that the client requested, as the upstream is told."""
    return _proto(peer, fields.values if peer.trusted else _nothing)


def _proto(peer: Peer, forwarded: Callable[[bytes], list[bytes]]) -> bytes:
    return _one(forwarded(b"x-forwarded-proto"), _PROTO) or peer.scheme.encode()


def _port_of(host: bytes | None, proto: bytes) -> bytes:
    port = host.rpartition(b":")[2] if host and not host.endswith(b"]") and b":" in host else b""
    return port or (b"443" if proto == b"https" else b"80")


def _node(address: str) -> bytes:
    """An address as a node of RFC 7239 section 6: IPv6 in brackets and quotes."""
    if ":" in address:
        return f'"[{address}]"'.encode()
    return address.encode() if address != LOCAL else b"unknown"


RESPONSE_HEAD: Final = b"HTTP/1.1%b\r\n%b%bX-Request-Id: %b\r\n%b\r\n%b"
"""The head that a client gets: what follows the version in the status line, the upstream's lines,
Date and Transfer-Encoding lines or nothing, the request's id, a Connection line or nothing, and the
body if all of it is there."""
DATE: Final = b"Date: %b\r\n"
"""For a response that came without a Date (RFC 9110 section 6.6.1)."""
