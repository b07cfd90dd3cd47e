"""The PROXY protocol: both versions, whole and in pieces, and what is none."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.forwarding import LOCAL
from proxy.http1.proxy_protocol import MAX_V1, MAX_V2, Header, read

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(kind: int, body: bytes, command: int = 0x21, length: int | None = None) -> bytes:
    """A header of version 2."""
    size = len(body) if length is None else length
    return SIGNATURE + bytes([command, kind]) + size.to_bytes(2) + body


TCP4 = socket.inet_aton("198.51.100.7") + socket.inet_aton("10.0.0.1") + b"\x12\x34\x01\xbb"
TCP6 = (
    b"".join(socket.inet_pton(socket.AF_INET6, each) for each in ("2001:db8::7", "::1")) + TCP4[8:]
)
UNIX = bytes(216)
TLV = b"\x20\x00\x05\x01\x00\x00\x00\x00"

HEADERS = {
    b"PROXY TCP4 198.51.100.7 10.0.0.1 4660 443\r\n": "198.51.100.7",
    b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n": "255.255.255.255",
    b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n": "0.0.0.0",
    b"PROXY TCP6 2001:db8::7 ::1 4660 443\r\n": "2001:db8::7",
    b"PROXY TCP6 2001:DB8:0:0:0:0:0:7 ::1 4660 443\r\n": "2001:db8::7",
    b"PROXY TCP6 ::ffff:198.51.100.7 ::1 4660 443\r\n": "198.51.100.7",
    b"PROXY UNKNOWN\r\n": LOCAL,
    b"PROXY UNKNOWN ffff:f::1 whatever\xff 1\r\n": LOCAL,
    b"PROXY UNKNOWN %b\r\n" % (b"x" * (MAX_V1 - 16)): LOCAL,
    v2(0x11, TCP4): "198.51.100.7",
    v2(0x21, TCP6): "2001:db8::7",
    v2(0x21, bytes(10) + b"\xff\xff" + TCP4[:4] + TCP6[16:]): "198.51.100.7",
    v2(0x31, UNIX): LOCAL,
    v2(0x11, TCP4 + TLV): "198.51.100.7",
    v2(0x11, TCP4 + b"not TLVs"): "198.51.100.7",
    v2(0x11, TCP4 + bytes(MAX_V2 - 28)): "198.51.100.7",
    v2(0x00, b""): LOCAL,
    v2(0x00, TLV): LOCAL,
    v2(0x00, b"", command=0x20): None,
    v2(0x12, b"anything", command=0x20): None,
}
NONE = [
    *(
        b"G",
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01",
        b"proxy TCP4 ",
        b"PROXY  TCP4\r\n",
        b"\n",
        b"\0",
    ),
    *(b"PROXY \r\n", b"PROXY TCP4\r\n", b"PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n", b"PROXYX"),
    *(b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n"),
    *(b"PROXY TCP4 1.2.3.4  1.2.3.4 1 1\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n", b"PROXY \n"),
    *(b"PROXY TCP4 01.2.3.4 1.2.3.4 1 1\r\n", b"PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n"),
    *(b"PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"),
    *(b"PROXY TCP4 ::1 ::1 1 1\r\n", b"PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n"),
    *(b"PROXY TCP6 ::1%eth0 ::1 1 1\r\n", b"PROXY TCP6 [::1] ::1 1 1\r\n"),
    *(
        b"PROXY TCP4 1.2.3.4 1.2.3.x 1 1\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n",
    ),
    *(b"PROXY UNKNOWN " + b"x" * MAX_V1, b"PROXY UNKNOWN %b\r\n" % (b"x" * (MAX_V1 - 15))),
    *(SIGNATURE[:-1] + b"\r", v2(0x11, TCP4, command=0x11), v2(0x11, TCP4, command=0x22)),
    *(v2(0x12, TCP4), v2(0x41, TCP4), v2(0x11, TCP4[:-1]), v2(0x21, TCP4), v2(0x31, UNIX[:-1])),
    *(
        v2(0x01, b""),
        v2(0x10, TCP4),
        v2(0x11, b"", length=MAX_V2 - 15),
        v2(0x11, b"", length=65535),
    ),
]


@pytest.mark.parametrize(("raw", "client"), HEADERS.items())
def test_a_header_names_the_client_wherever_it_is_cut(raw: bytes, client: str | None) -> None:
    """It is not complete before its last byte, and what follows it does not matter."""
    for end in range(len(raw)):
        assert read(raw[:end]) is None
    for rest in (b"", b"\r\n", b"GET / HTTP/1.1\r\n", raw):
        assert read(raw + rest) == Header(client, len(raw))


def outcome(data: bytes) -> Header | str | None:
    """What was read, or that there is no header."""
    try:
        return read(data)
    except ValueError:
        return "none"


@pytest.mark.parametrize("raw", NONE)
def test_anything_else_is_no_header(raw: bytes) -> None:
    """It is refused at its last byte at the latest, and stays so."""
    assert {outcome(raw[:end]) for end in range(1, len(raw))} <= {None, "none"}
    assert outcome(raw) == "none"


beginnings = st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 1.2.3.4 1.2.3.4 ", SIGNATURE])


@given(beginnings, st.binary(max_size=60), st.integers(0, 70))
def test_more_bytes_never_change_what_was_read(start: bytes, rest: bytes, cut: int) -> None:
    """A prefix of what is refused is refused too or incomplete; one that is complete stays so."""
    raw = start + rest
    assert outcome(raw[:cut]) in {None, outcome(raw)}


@given(st.ip_addresses(), st.integers(0, 65535), st.binary(max_size=30))
def test_both_versions_name_any_address(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, rest: bytes
) -> None:
    """As proxies write them."""
    line = f"PROXY TCP{ip.version} {ip} {ip} {port} 80\r\n".encode()
    binary = v2(0x11 if ip.version == 4 else 0x21, ip.packed * 2 + port.to_bytes(2) + b"\0\x50")
    client = str(getattr(ip, "ipv4_mapped", None) or ip)
    for raw in (line, binary):
        assert read(raw + rest) == Header(client, len(raw))
