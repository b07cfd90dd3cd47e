"""What is known of the client behind a connection: X-Forwarded-* and Forwarded. Pure, no I/O.

The rule that lives here: the client's address, which limits and log use, and all of these fields
follow from one chain of hops. So they agree, whichever of them an upstream reads. The upstream
learns what the gateway knows; what a peer says counts only where it is a trusted proxy. Numbers in
brackets are sections of RFC 7239.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from proxy.http1.faults import Fault, Malformed
from proxy.http1.fields import MAX_MEMBERS

MAX_FORWARDED: Final = 8192
"""Bytes of Forwarded that are read. `;;;;…` of 56 KiB took 12 ms."""
LOCAL: Final = "unix"
"""The address of a client that connects over a Unix socket."""


class ForwardingFields(Protocol):
    """What is read of a request's fields."""

    @property
    def host(self) -> bytes | None:
        """The value of Host."""

    def values(self, name: bytes) -> list[bytes]:
        """The values of a field, by its name in small letters, without outer white space."""


class Peer(NamedTuple):
    """The client's end of a connection."""

    address: str
    """An IP address, or `LOCAL`."""
    scheme: str
    trusted: bool
    """Whether it is a trusted proxy, whose own forwarding fields count."""


class Forwarding(NamedTuple):
    """What is known of the client of a request."""

    client: str
    """Its address: behind trusted proxies, the last hop that is not one of them."""
    scheme: bytes
    """Of the URL that it asked for."""
    host: bytes | None
    """The host that it asked for, perhaps with a port."""
    lines: bytes
    """The fields that tell an upstream, each with its CRLF."""


class Hop(NamedTuple):
    """What a proxy said of its own peer."""

    address: str | None
    """None where it named no address."""
    proto: bytes | None = None
    host: bytes | None = None


def forwarding(
    fields: ForwardingFields, peer: Peer, is_trusted: Callable[[str], bool]
) -> Forwarding:
    """What is known of the client of a request with `fields` that came from `peer`. Raises
    `Malformed` for a chain that is too long."""
    if not peer.trusted:
        return _of_peer(peer, fields.host)
    listed = members(fields.values(b"x-forwarded-for"))
    forwarded = fields.values(b"forwarded")
    members(forwarded)
    said = elements(forwarded)
    if listed:
        # Most proxies set only this field, and pass on a Forwarded that their client made up.
        hops = [Hop(address_in(hop)) for hop in listed]
    else:
        hops = said
        listed = [(hop.address or UNKNOWN).encode() for hop in hops]
    client, last = _client(hops, peer.address, is_trusted)
    said_proto = [each.lower() for each in fields.values(b"x-forwarded-proto")]
    proto = _one(said_proto, _HTTP) or last.proto
    if proto is None or not _HTTP(proto):
        proto = peer.scheme.encode()
    host = _one(fields.values(b"x-forwarded-host"), _HOST) or last.host or fields.host
    port = _one(fields.values(b"x-forwarded-port"), _PORT) or _port_of(host, proto)
    prefix = _one(fields.values(b"x-forwarded-prefix"), _PREFIX)
    if not (said and _agree(said, hops, proto, host)):
        forwarded = [b"for=" + _node(hop.address) for hop in hops]
        if forwarded:
            forwarded[0] += _url(proto, host)
    return Forwarding(
        client, proto, host, _lines(peer, listed, forwarded, proto, host, port, prefix)
    )


def host_of(fields: ForwardingFields) -> bytes | None:
    """The host that the client of a trusted proxy asked for, without a look at Forwarded."""
    return _one(fields.values(b"x-forwarded-host"), _HOST) or fields.host


@lru_cache(maxsize=1024)
def _of_peer(peer: Peer, host: bytes | None) -> Forwarding:
    """For a client without a proxy that counts."""
    proto = peer.scheme.encode()
    lines = _lines(peer, [], [], proto, host, _port_of(host, proto), None)
    return Forwarding(peer.address, proto, host, lines)


def _lines(
    peer: Peer,
    listed: list[bytes],
    forwarded: list[bytes],
    proto: bytes,
    host: bytes | None,
    port: bytes,
    prefix: bytes | None,
) -> bytes:
    """The fields; `listed` and `forwarded` are the members so far, to which `peer` is added.

    The element for `peer` has the scheme and host of the client's request, not of the last
    connection: some upstreams read them in the first element (Spring), some in the last (Rack).
    """
    if peer.address != LOCAL:
        listed = [*listed, peer.address.encode()]
    lines = [b"X-Forwarded-For: " + b", ".join(listed)] if listed else []
    lines.append(b"X-Forwarded-Proto: " + proto)
    if host is not None:
        lines += (b"X-Forwarded-Host: " + host, b"X-Forwarded-Port: " + port)
    if prefix is not None:
        lines.append(b"X-Forwarded-Prefix: " + prefix)
    node = _node(None if peer.address == LOCAL else peer.address)
    element = b"for=" + node + _url(proto, host)
    lines += (b"Forwarded: " + b", ".join([*forwarded, element]), b"")
    return b"\r\n".join(lines)


def _client(hops: Sequence[Hop], peer: str, is_trusted: Callable[[str], bool]) -> tuple[str, Hop]:
    """(the client's address, what the outermost trusted proxy said of it). Hops before that one
    are the client's own words."""
    last = Hop(None)
    for last in reversed(hops):
        if last.address is None:
            break
        peer = last.address
        if not is_trusted(peer):
            break
    return peer, last


def _agree(said: list[Hop], hops: list[Hop], proto: bytes, host: bytes | None) -> bool:
    """Whether what Forwarded `said` is what the other fields say."""
    same = [each.address for each in said] == [hop.address for hop in hops]
    return same and all(each.proto in {None, proto} and each.host in {None, host} for each in said)


# --- Forwarded -----------------------------------------------------------------------------------

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PIECE: Final = re.compile(
    rb'[ \t]*(,)[ \t]*|;+|(%b)=(?:(%b)|"((?:[\t !#-\[\]-~]|\\[\t -~])*)")(?=[;, \t]|\Z)'
    % (_TOKEN, _TOKEN)
).match
_QUOTED_PAIR: Final = re.compile(rb"\\(.)", re.DOTALL)
_OBFUSCATED: Final = rb"_[A-Za-z0-9._-]+"
_NODE: Final = re.compile(
    rb"(?:([0-9.]+)|\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\]|unknown|%b)(?::(?:[0-9]{1,5}|%b))?"
    % (_OBFUSCATED, _OBFUSCATED),
    re.IGNORECASE,
).fullmatch
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*").fullmatch


def elements(values: Sequence[bytes]) -> list[Hop]:
    """The elements of Forwarded [4]; empty where any of them is malformed, or the field is longer
    than any chain of proxies makes it: it is never read in part, since another reader might take
    another part."""
    if sum(map(len, values)) > MAX_FORWARDED:
        return []
    try:
        return [_hop(element) for value in values for element in _parameters(value) if element]
    except ValueError:
        return []


def _parameters(value: bytes) -> Iterator[dict[bytes, bytes]]:
    """Parameter → value, of each element; there may be empty ones. Raises ValueError."""
    at, element = 0, dict[bytes, bytes]()
    while at < len(value):
        piece = _PIECE(value, at)
        if piece is None:
            raise ValueError(value)
        at = piece.end()
        comma, name, token, quoted = piece.groups()
        if name:
            if name.lower() in element:
                raise ValueError(value)
            unquoted = token or _QUOTED_PAIR.sub(rb"\1", quoted)
            element[name.lower()] = unquoted
        elif comma:
            yield element
            element = {}
    yield element


def _hop(element: dict[bytes, bytes]) -> Hop:
    """What an element says [5]. Raises ValueError."""
    address, _ = _node_address(element.get(b"for")), _node_address(element.get(b"by"))
    proto, host = element.get(b"proto"), element.get(b"host")
    if (proto is not None and not _SCHEME(proto)) or (host is not None and not _HOST(host)):
        raise ValueError(element)
    return Hop(address, proto and proto.lower(), host)


def _node_address(node: bytes | None) -> str | None:
    """The address of a node [6]; None where it is unknown or obfuscated. Raises ValueError."""
    if node is None:
        return None
    match = _NODE(node)
    if match is None:
        raise ValueError(node)
    number = match[1] or match[2]
    return _canonical(number.decode()) if number else None


UNKNOWN: Final = "unknown"


def _node(address: str | None) -> bytes:
    """An address as a node [6]: IPv6 in brackets and quotes."""
    text = UNKNOWN if address is None else address
    return f'"[{text}]"'.encode() if ":" in text else text.encode()


def _url(proto: bytes, host: bytes | None) -> bytes:
    """The parameters that name the scheme and the host."""
    return b";proto=" + proto if host is None else b';proto=%b;host="%b"' % (proto, host)


# --- X-Forwarded-* -------------------------------------------------------------------------------

_HOP: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}").fullmatch
_HTTP: Final = re.compile(rb"https?").fullmatch
_PORT: Final = re.compile(rb"[0-9]{1,5}").fullmatch
_HOST: Final = re.compile(
    rb"[A-Za-z0-9._-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?"
).fullmatch
_PREFIX: Final = re.compile(
    rb"(?:/(?!\.\.?(?:/|\Z))(?:[A-Za-z0-9._~!$&'()*+=:@-]|%(?![01]|2[EeFf5]|5[Cc]|7[Ff])"
    rb"[0-9A-Fa-f]{2})+)+/?|/"
).fullmatch
"""A path without empty or dot segments, and without what could be read as a part of one."""


def members(values: list[bytes]) -> list[bytes]:
    """The members of a list, without empty ones. Raises `Malformed` where there are too many."""
    if sum(value.count(b",") for value in values) >= MAX_MEMBERS:
        raise Malformed(Fault.LIST_SIZE)
    return [hop for value in values for part in value.split(b",") if (hop := part.strip(b" \t"))]


def address_in(hop: bytes) -> str | None:
    """The IP address in a member of X-Forwarded-For, which may have a port; None where it has
    none."""
    text = hop.decode("latin-1")
    match = _HOP(text)
    try:
        return _canonical(match[1] or match[2] if match else text)
    except ValueError:
        return None


def _canonical(text: str) -> str:
    """The usual text of an IP address. Raises ValueError. A zone is refused: it may
    be any text, and means nothing on another machine."""
    if "%" in text:
        raise ValueError(text)
    return text_of(ipaddress.ip_address(text))


def text_of(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """An address as text. An IPv4 address within IPv6 is the IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _one(values: list[bytes], grammar: Callable[[bytes], object]) -> bytes | None:
    """The value of a field that came once and is well formed, else None."""
    return values[0] if len(values) == 1 and grammar(values[0]) else None


def _port_of(host: bytes | None, proto: bytes) -> bytes:
    port = host.rpartition(b":")[2] if host and not host.endswith(b"]") and b":" in host else b""
    return port or (b"443" if proto == b"https" else b"80")
