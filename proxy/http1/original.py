"""The original request that a proxy asks about by forward-auth, as the fields of its own request
tell it. Pure, no I/O.

The rule that lives here: each part of the original request is told by exactly one field, whose name
the configuration chooses, and is held to the same grammar as a request to the gateway. A part that
is missing, repeated or malformed is refused, for another reader might take another value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from proxy.http1.faults import Fault, Malformed
from proxy.http1.fields import RequestFields
from proxy.http1.forwarding import Forwarding, Peer, address_in, host_of, members
from proxy.http1.grammar import RequestLine, request_line

FORWARDED_FOR: Final = b"x-forwarded-for"


class Convention(NamedTuple):
    """Which fields tell what, by their names in lower case."""

    method: bytes | None
    """None: the line of the proxy's request itself is that of the original one (Envoy)."""
    target: bytes | None
    client: bytes

    @property
    def names(self) -> frozenset[bytes]:
        """The fields that are read for it."""
        return frozenset(name for name in self if name is not None)


def told_line(own: bytes, fields: RequestFields, convention: Convention) -> bytes:
    """The line of the original request, as it is told. `own` is the line of the proxy's request.
    Raises `Malformed` where it is not told exactly once."""
    if convention.method is None or convention.target is None:
        return own
    told = [fields.noted.get(name, []) for name in (convention.method, convention.target)]
    if any(len(values) != 1 for values in told):
        raise Malformed(Fault.ORIGINAL)
    # Other white space around a value is not taken off: it may be a part of what the client sent.
    method, target = (values[0].removeprefix(b" ") for values in told)
    return b"%b %b HTTP/1.1" % (method, target)


def original_line(told: bytes, line_size: int) -> RequestLine:
    """The line of an original request, held to what the gateway accepts. Raises `Malformed`.

    `OPTIONS *` is refused: the gateway answers it itself, and no API is asked.
    """
    if len(told) > line_size:
        raise Malformed(Fault.REQUEST_LINE_SIZE)
    line = request_line(told)
    if line.path == b"*":
        raise Malformed(Fault.TARGET)
    return line


def original_client(
    fields: RequestFields, peer: Peer, convention: Convention, is_trusted: Callable[[str], bool]
) -> Forwarding:
    """What is known of the client of the original request, which `peer` asks about: the last hop
    that is no trusted proxy. Raises `Malformed` where no client is named: the address of the proxy
    would be in networks in which the client is not."""
    listed, client = members(fields.values(convention.client)), None
    if convention.client != FORWARDED_FOR and len(listed) != 1:
        raise Malformed(Fault.ORIGINAL)
    for hop in reversed(listed):
        address = address_in(hop)
        if address is None:
            break
        client = address
        if not is_trusted(address):
            break
    if client is None:
        raise Malformed(Fault.ORIGINAL)
    return Forwarding(client, peer.scheme.encode(), host_of(fields), b"")
