"""Where a body ends: requests after which two parsers would see different next requests."""

from __future__ import annotations

from tests.hostile.row import AUTH, GET, HEAD, LAST, POST, Row, Up, refused

CHUNKED = b"Transfer-Encoding: chunked\r\n"
WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"
LINE = b"POST /v1/projects/a/x HTTP/1.1"


def coding(value: bytes) -> bytes:
    """A POST with this Transfer-Encoding and a body that fits `chunked`."""
    return POST + b"Transfer-Encoding:" + value + b"\r\n\r\n0\r\n\r\n"


def length(value: bytes) -> bytes:
    """A POST with this Content-Length and a body of five bytes."""
    return POST + b"Content-Length:" + value + b"\r\n\r\nhello"


def both(*lines: bytes) -> bytes:
    """A POST with these lines, whose body is empty to one parser and six bytes long to another."""
    return POST + b"".join(line + b"\r\n" for line in lines) + b"\r\n0\r\n\r\nG"


def plain(digits: bytes) -> Up:
    """What the upstream must get for a `length` that is accepted."""
    return Up(LINE, b"Content-Length: " + digits + b"\r\n", b"hello")


HEADS = [
    *refused(
        "length-and-coding",
        400,
        both(b"Content-Length: 6", b"Transfer-Encoding: chunked"),
        both(b"Transfer-Encoding: chunked", b"Content-Length: 6"),
        both(b"content-length:6", b"TRANSFER-ENCODING:CHUNKED"),
        both(b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        both(b"Transfer-Encoding: chunked", b"X: y", b"Content-Length: "),
        both(b"Transfer-Encoding: ", b"Content-Length: 6"),
        both(b"Transfer-Encoding: identity", b"Content-Length: 6"),
        GET + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    ),
    *refused(
        "coding",
        400,
        *map(
            coding,
            (
                b" xchunked", b" chunkedx", b" identity", b' "chunked"', b" 'chunked'",
                b" chunked;a=b", b" chunked;q=1", b" chunked, identity", b" chunked, chunked",
                b" chunked,", b" ,chunked", b" , chunked", b" chunked, gzip", b" gzip", b"", b" ",
                b" \x0bchunked", b" \x0cchunked", b" chunked\t", b"\tchunked", b" chunked ",
                b"\x00chunked", b" chunked\x00", b" chun\xadked", b" ch\x75nked\xa0", b" chunk",
                b" chunked\r\nTransfer-Encoding: chunked",
                b" chunked\r\nTransfer-Encoding: identity",
                b" identity\r\nTransfer-Encoding: chunked", b" gzip\r\nTransfer-Encoding: chunked",
                b" chunked\r\nTransfer-Encoding:", b"\r\n chunked", b" gzip,\r\n chunked",
            ),
        ),
    ),
    *refused("coded-and-chunked", 501, *map(coding, (b" gzip, chunked", b"deflate,chunked"))),
    *refused(
        "coding-by-another-name",
        400,
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
        POST + b"\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding\x00: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer_Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
        POST + b"Transfer.Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
        POST + b"TRANSFER_ENCODING: chunked\r\n\r\n0\r\n\r\n",
        POST + b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content_Length: 5\r\n\r\nhello",
        POST + b"content_length: 5\r\nContent-Length: 0\r\n\r\n",
        POST + b"Content-Length : 5\r\n\r\nhello",
        POST + b"Content Length: 5\r\n\r\nhello",
    ),
    *refused(
        "coding-to-1.0",
        400,
        coding(b" chunked").replace(b"1.1", b"1.0"),
        coding(b" chunked\r\nConnection: keep-alive").replace(b"1.1", b"1.0"),
    ),
    *refused(
        "length",
        400,
        *map(
            length,
            (
                b" +5", b" -5", b" -0", b" 0x5", b" 5 5", b" 5_0", b" 1e1", b" 5.0", b" 5;a", b"",
                b" ", b" 5,5", b" 5, 5", b" ,5", b" 5,", b" 5\t", b"\t5", b" \x0b5", b" \xb2",
                b" \xd9\xa5", b" 5\x00", b" five", b" 5\r\nContent-Length: 5",
                b" 5\r\nContent-Length: 6", b" 6\r\ncontent-length: 5", b" 5\r\nContent-Length:",
                b"\r\n 5", b" 9223372036854775808", b" 18446744073709551616",
                b" 18446744073709551621", b" 00000000000000000005", b" " + b"9" * 100,
            ),
        ),
    ),
    Row("length-with-zeros", length(b" 005"), 200, True, plain(b"5")),
    Row("length-in-spaces", length(b"   5  "), 200, True, plain(b"5")),
    Row(
        "length-of-a-get",
        GET + b"Content-Length: 5\r\n\r\nhello",
        200,
        True,
        Up(b"GET /v1/projects/a/x HTTP/1.1", b"Content-Length: 5\r\n" + LAST, b"hello"),
    ),
    Row(
        "no-length-no-body",
        POST + b"\r\n",
        200,
        True,
        Up(LINE),
    ),
    Row(
        "1.0-does-not-stay",
        length(b" 5").replace(b"1.1", b"1.0"),
        200,
        False,
        Up(LINE, b"Content-Length: 5\r\n", b"hello"),
    ),
    Row(
        "chunked-with-letters-in-any-case",
        POST + b"tRANSFER-eNCODING:  ChUnKeD\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        200,
        True,
        Up(LINE, CHUNKED, b"5\r\nhello\r\n0\r\n\r\n"),
    ),
    *refused(
        "expect",
        417,
        *(
            POST + b"Expect: " + value + b"\r\nContent-Length: 5\r\n\r\nhello"
            for value in (b"x", b"", b"100-continue, x", b"100-continue\r\nExpect: 100-continue")
        ),
    ),
    *(
        Row(
            f"expect-{name}",
            method + HEAD + b"Expect: 100-continue\r\n" + fields + b"\r\n",
            200,
            True,
            Up(method + b" /v1/projects/a/x HTTP/1.1", fields),
        )
        for name, method, fields in (
            ("of-a-get", b"GET", b""),
            ("of-a-post", b"POST", b""),
            ("of-nothing", b"POST", b"Content-Length: 0\r\n"),
        )
    ),
    *refused(
        "expect-without-credentials",
        401,
        *(
            b"POST /v1/projects/a/x HTTP/1.1\r\nHost: h\r\n" + authorization
            + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
            for authorization in (b"", b"Authorization: Basic eDp5\r\n")
        ),
    ),
    *refused(
        "expect-in-another-environment",
        403,
        POST.replace(b"/a/", b"/b/") + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    ),
    *refused(
        "body-of-a-refused-request",
        403,
        POST.replace(b"/a/", b"/b/") + b"Content-Length: 5\r\n\r\nhello",
        POST.replace(b"/a/", b"/b/") + CHUNKED + b"\r\n0\r\n\r\n",
        kept=True,
    ),
    *refused(
        "body-of-a-refused-stranger",
        401,
        (POST + b"Content-Length: 5\r\n\r\nhello").replace(AUTH, b""),
        (POST + CHUNKED + b"\r\n0\r\n\r\n").replace(AUTH, b""),
        kept=True,
    ),
]  # fmt: skip
"""Requests that are refused for their heads alone, or sent on with their framing in plain form."""

CHUNKS = {
    400: (
        b"10000000000000005\r\n", b"00000000000000005\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"5\t\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n", b"5_0\r\nhello\r\n0\r\n\r\n", b"g\r\nhello\r\n0\r\n\r\n",
        b"5 ;a\r\nhello\r\n0\r\n\r\n", b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        b"5;a\rb\r\nhello\r\n0\r\n\r\n", b"5;a=\0\r\nhello\r\n0\r\n\r\n",
        b"5;a\x7f\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"5\rhello\r\n0\r\n\r\n",
        b"5\r\r\nhello\r\n0\r\n\r\n", b"5,5\r\nhello\r\n0\r\n\r\n",
        b"5;" + b"a" * 5_000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5;" + b"a" * 3_000_000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5;" + b"a" * 3000 + b"\r\nhello\r\n1;" + b"a" * 3000 + b"\r\n!\r\n0\r\n\r\n",
        b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\r0\r\n\r\n", b"5\r\nhello\n\r0\r\n\r\n", b"5\r\nhello!\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\n\r\n", b"5\r\nhello\r\n0\r\n\n", b"5\r\nhello\r\n0\r\nX\r\n\r\n",
        b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
        b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"5\r\nhello\r\n0\r\ntransfer_encoding: chunked\r\n\r\n",
        b"5\r\nhello\r\n0\r\nConnection: keep-alive\r\n\r\n", b"5\r\nhello\r\n0\r\nHost: i\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX : y\r\n\r\n", b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX: \0\r\n\r\n", b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"5\r\nhello\r\n0\r\nX: " + b"y" * 5000 + b"\r\n\r\n",
    ),
    413: (
        b"ffffffffffffffff\r\n", b"8000000000000000\r\nhello",
        b"5\r\nhello\r\nffffffffffffffff\r\n",
    ),
}  # fmt: skip
BODIES = [
    Row(
        f"chunks-{status}-{number}",
        POST + CHUNKED + b"\r\n" + body,
        status,
        up=Up(LINE, CHUNKED, b"5\r\nhello\r\n"),
        whole=False,
    )
    for status, bodies in CHUNKS.items()
    for number, body in enumerate(bodies, 1)
]
"""Requests whose body is malformed. Their head is upstream by then, so the connection to the
upstream is closed before the last chunk."""

HELLO = Up(LINE, CHUNKED, b"5\r\nhello\r\n0\r\n\r\n")
RECHUNKED = [
    Row(f"chunks-anew-{number}", POST + CHUNKED + b"\r\n" + body, 200, True, HELLO)
    for number, body in enumerate(
        (
            b"5\r\nhello\r\n0\r\n\r\n",
            b"00005\r\nhello\r\n000\r\n\r\n",
            b'5;a=b;c="d"\r\nhello\r\n0;e\r\n\r\n',
            b"5\r\nhello\r\n0\r\nAuthorization: Basic eDp5\r\nX-Wardgate-Key: me\r\n\r\n",
            b"5\r\nhello\r\n0\r\nX-Auth-Key: me\r\nCookie: a=b\r\n\r\n",
        ),
        1,
    )
]
"""Requests of which extensions and trailers are dropped: the gateway chunks the body anew."""

SWITCHES = [
    Row(
        f"upgrade-to-nothing-{number}",
        GET + lines + b"\r\n",
        200,
        True,
        Up(b"GET /v1/projects/a/x HTTP/1.1"),
    )
    for number, lines in enumerate(
        (
            b"Connection: Upgrade\r\nUpgrade: foo\r\n",
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n",
            b"Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n",
            b"Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n",
            b"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
            b"Connection: Upgrade\r\nUpgrade: web\xa0socket\r\n",
            b"Upgrade: websocket\r\n",
        ),
        1,
    )
]
SWITCHES += refused(
    "upgrade-in-another-environment",
    403,
    GET.replace(b"/a/", b"/b/") + WEBSOCKET + b"\r\n",
    kept=True,
)
SWITCHES += [
    Row(
        "upgrade-of-1.0",
        GET.replace(b"1.1", b"1.0") + WEBSOCKET + b"\r\n",
        200,
        up=Up(b"GET /v1/projects/a/x HTTP/1.1", b"Sec-WebSocket-Key: x\r\n"),
    )
]
SWITCHES += refused(
    "upgrade",
    400,
    GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
    POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
    POST + WEBSOCKET + b"\r\n",
    GET + WEBSOCKET + CHUNKED + b"\r\n0\r\n\r\n",
    GET + WEBSOCKET + b"Sec-WebSocket-Key: x\r\n\r\n",
    GET + b"Http2_Settings: x\r\n\r\n",
)
"""Upgrades that are refused or not offered upstream; what follows them is the next request."""

ENDS = [
    Row("connection-close", GET + LAST + b"\r\n", 200, up=Up(b"GET /v1/projects/a/x HTTP/1.1")),
    Row(
        "connection-close-among-others",
        GET + b"Connection: keep-alive\r\nconnection: X-Y , CLOSE\r\n\r\n",
        200,
        up=Up(b"GET /v1/projects/a/x HTTP/1.1"),
    ),
]
"""Requests with `Connection: close`: nothing that follows on the connection is served."""

ROWS = [*HEADS, *BODIES, *RECHUNKED, *SWITCHES, *ENDS]
