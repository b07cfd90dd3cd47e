"""The PROXY protocol, versions 1 and 2: a header with which a proxy names its client. Pure, no I/O.

A proxy that only passes bytes on cannot add fields to requests, so it sends this header before the
first byte of the client, TLS included. Numbers in brackets are sections of
https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

from proxy.http1.forwarding import LOCAL, text_of

MAX_V1: Final = 107
"""Bytes of the longest line, CRLF included [2.1]."""
MAX_V2: Final = 4096
"""Bytes of the longest header, TLVs included. nginx: 4096; the length could be 65,551."""
_START_OF_V1: Final = b"PROXY "
_SIGNATURE_OF_V2: Final = b"\r\n\r\n\0\r\nQUIT\n"


class Header(NamedTuple):
    """What a header says."""

    client: str | None
    """An IP address, or `LOCAL` for a client that has none, or none that the proxy knows. None: the
    proxy itself is the client, for example to see whether the listener works."""
    size: int
    """Bytes of the header."""


def read(data: bytes) -> Header | None:
    """The header at the start of `data`; None while it is incomplete. Raises ValueError where there
    is none, as soon as that is certain."""
    if data.startswith(_SIGNATURE_OF_V2[: len(data)]):
        return _read_v2(data)
    if data.startswith(_START_OF_V1[: len(data)]):
        return _read_v1(data)
    raise ValueError("no PROXY header")


# --- version 1: text [2.1] -----------------------------------------------------------------------

_LINE: Final = re.compile(
    "PROXY (?:UNKNOWN(?: .*)?|TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+)"
    " (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4}))"
).fullmatch


def _read_v1(data: bytes) -> Header | None:
    end = data.find(b"\n", 0, MAX_V1)
    if end < 0:
        if len(data) >= MAX_V1:
            raise ValueError("a line that is too long")
        return None
    line = _LINE(data[: end - 1].decode("latin-1")) if data[end - 1 : end] == b"\r" else None
    if line is None:
        raise ValueError("a malformed line")
    version, source, destination, *ports = line.groups()
    if version is None:
        return Header(LOCAL, end + 1)
    kind = ipaddress.IPv4Address if version == "4" else ipaddress.IPv6Address
    client, _ = kind(source), kind(destination)
    if any(int(port) > 65535 for port in ports):
        raise ValueError("a port that is too large")
    return Header(text_of(client), end + 1)


# --- version 2: binary [2.2] ---------------------------------------------------------------------

_HEADER_SIZE: Final = 16
_VERSION_2: Final = 0x2
_OF_ITSELF, _OF_A_CLIENT = 0x0, 0x1  # LOCAL and PROXY
_UNSPECIFIED, _TCP4, _TCP6, _UNIX_STREAM = 0x00, 0x11, 0x21, 0x31
_ADDRESSES: Final = {_UNSPECIFIED: 0, _TCP4: 12, _TCP6: 36, _UNIX_STREAM: 216}
"""Protocol → bytes of its two addresses and ports. TLVs may follow them; they are skipped."""


def _read_v2(data: bytes) -> Header | None:
    if len(data) < _HEADER_SIZE:
        return None
    version, command = divmod(data[12], 16)
    size = _HEADER_SIZE + int.from_bytes(data[14:16])
    if version != _VERSION_2 or command > _OF_A_CLIENT:
        raise ValueError("an unknown version or command")
    if size > MAX_V2:
        raise ValueError("a header that is too long")
    itself = command == _OF_ITSELF
    protocol = _UNSPECIFIED if itself else data[13]
    least = _ADDRESSES.get(protocol)
    if least is None or size < _HEADER_SIZE + least:
        raise ValueError("an address of another kind, or a part of one")
    if len(data) < size:
        return None
    return Header(None if itself else _client_of_v2(protocol, data[_HEADER_SIZE:size]), size)


def _client_of_v2(protocol: int, addresses: bytes) -> str:
    if protocol == _TCP4:
        return text_of(ipaddress.IPv4Address(addresses[:4]))
    if protocol == _TCP6:
        return text_of(ipaddress.IPv6Address(addresses[:16]))
    return LOCAL
