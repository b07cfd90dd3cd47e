"""Invalid and ambiguous answers of an upstream, each with what the client must get.

A rule for all rows: the connection that such an answer came on is never used again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tests.harness import OK


class Fate(Enum):
    """What the client gets."""

    REFUSED = "502, and nothing of what the upstream sent"
    CUT = "the beginning, and then a connection that is reset"
    PASSED = "the answer, and nothing of what follows it"


@dataclass(frozen=True)
class Answer:
    """What an upstream sends in answer to one request."""

    name: str
    sent: bytes
    fate: Fate
    method: bytes = b"GET"
    ends: bool = False
    """Whether the upstream then closes the connection."""
    fields: tuple[bytes, ...] = ()
    """Lines that the request has."""


def rows(group: str, fate: Fate, *sent: bytes, method: bytes = b"GET", ends: bool = False,
         fields: tuple[bytes, ...] = ()) -> list[Answer]:  # fmt: skip
    """Rows that differ in what is sent alone; they are numbered from 1."""
    return [
        Answer(f"{group}-{number}", raw, fate, method, ends, fields)
        for number, raw in enumerate(sent, 1)
    ]


def head(*lines: bytes, body: bytes = b"") -> bytes:
    """A 200 with these lines."""
    return b"HTTP/1.1 200 OK\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    """A 200 with this chunked body."""
    return head(b"Transfer-Encoding: chunked", body=body)


STOLEN = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSTOLEN"
"""An answer to no request: no client may get it."""
OFFER = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\n"

FRAMING = rows(
    "framing",
    Fate.REFUSED,
    head(b"Content-Length: 2", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    head(b"Transfer-Encoding: chunked", b"Content-Length: 2", body=b"0\r\n\r\n"),
    head(b"Content-Length: 2", b"Content-Length: 2", body=b"ok"),
    head(b"Content-Length: 2", b"Content-Length: 3", body=b"ok"),
    head(b"Content-Length: 2,2", body=b"ok"),
    head(b"Content-Length: +2", body=b"ok"),
    head(b"Content-Length: -2", body=b"ok"),
    head(b"Content-Length: 0x2", body=b"ok"),
    head(b"Content-Length: 2 2", body=b"ok"),
    head(b"Content-Length: ", body=b"ok"),
    head(b"Content-Length: two", body=b"ok"),
    head(b"Content-Length: 18446744073709551618", body=b"ok"),
    head(b"Content-Length : 2", body=b"ok"),
    head(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    head(b"Transfer-Encoding: identity", body=b"ok"),
    head(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    head(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    head(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    head(b"Transfer-Encoding: ", b"Content-Length: 2", body=b"ok"),
    head(b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n"),
    chunked(b"0\r\n\r\n").replace(b"1.1", b"1.0"),
)
HEADS = rows(
    "head",
    Fate.REFUSED,
    head(b"X: a\rb", b"Content-Length: 0"),
    head(b"X: a\nSet-Cookie: b", b"Content-Length: 0"),
    head(b"X: a\0b", b"Content-Length: 0"),
    head(b"X: \x01", b"Content-Length: 0"),
    head(b"X: \x7f", b"Content-Length: 0"),
    head(b"X : a", b"Content-Length: 0"),
    head(b": a", b"Content-Length: 0"),
    head(b"X", b"Content-Length: 0"),
    head(b"X: a", b" b", b"Content-Length: 0"),
    head(b" X: a", b"Content-Length: 0"),
    head(b"X\xc3\xa9: a", b"Content-Length: 0"),
    head(b"Content-Length: 0").replace(b"\r\n", b"\n"),
    head(b"Content-Length: 0").replace(b"OK\r\n", b"OK\n"),
    head(b"Content-Length: 0").replace(b"OK", b"O\rK"),
    head(b"Content-Length: 0").replace(b"OK", b"O\0K"),
    head(b"X: " + b"a" * 70_000),
    b"a" * 70_000,
    (b"HTTP/1.1 102 Processing\r\n\r\n" * 17) + OK,
    b"HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\nok" + OK,
    b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + OK,
)
STATUS = rows(
    "status",
    Fate.REFUSED,
    *(
        line + b"\r\nContent-Length: 2\r\n\r\nok"
        for line in (
            b"HTTP/1.1 600 Odd", b"HTTP/1.1 099 Odd", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK",
            b"HTTP/1.1 -20 OK", b"HTTP/1.1 2x0 OK", b"HTTP/1.1  200 OK", b"HTTP/1.1\t200\tOK",
            b"HTTP/1.1200 OK", b"HTTP/1.1", b"HTTP/2 200", b"HTTP/2.0 200 OK", b"HTTP/0.9 200 OK",
            b"HTTP/1.2 200 OK", b"http/1.1 200 OK", b" HTTP/1.1 200 OK", b"ICY 200 OK", b"200 OK",
            b"junk", b"", b"\r\nHTTP/1.1 200 OK", b"HTTP/1.1 200 OK\x00",
            b"\x15\x03\x01\x00\x02\x02",
        )
    ),
)  # fmt: skip
SILENCE = rows("silence", Fate.REFUSED, b"", b"HTTP/1.1 200", head(b"X: y")[:-2], ends=True)
BODILESS = [
    *rows(
        "bodiless-with-a-body",
        Fate.PASSED,
        *(
            line + fields + b"\r\n" + body
            for line in (b"HTTP/1.1 204 No Content\r\n", b"HTTP/1.0 304 Not Modified\r\n")
            for fields, body in (
                (b"Content-Length: 5\r\n", b"hello"),
                (b"Content-Length: 2, 2\r\n", b"ok"),
                (b"Content-Length: 2\r\nContent-Length: 3\r\n", STOLEN),
                (b"Content-Length: two\r\n", b""),
                (b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
                (b"Transfer-Encoding: chunked\r\n", b"2\r\nok\r\n0\r\n\r\n"),
                (b"Transfer-Encoding: gzip, chunked\r\n", STOLEN),
                (b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", b""),
            )
        ),
    ),
    *rows(
        "stray",
        Fate.PASSED,
        OK + STOLEN,
        OK + b"X",
        OK + b"\r\n",
        head(b"Content-Length: 0") + STOLEN,
        chunked(b"2\r\nok\r\n0\r\n\r\n") + STOLEN,
        b"HTTP/1.1 204 No Content\r\n\r\nhello",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n" + STOLEN,
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK + STOLEN,
    ),
    *rows(
        "stray-behind-a-head",
        Fate.PASSED,
        OK,
        chunked(b"2\r\nok\r\n0\r\n\r\n"),
        head(b"Content-Length: 0") + STOLEN,
        method=b"HEAD",
    ),
    *rows(
        "with-connection-close",
        Fate.PASSED,
        head(b"Content-Length: 2", b"Connection: close", body=b"ok"),
    ),
    *rows(
        "http-1.0",
        Fate.PASSED,
        head(b"Content-Length: 2", body=b"ok").replace(b"1.1", b"1.0"),
    ),
]
SWITCHES = [
    *rows(
        "switch-without-an-offer",
        Fate.REFUSED,
        SWITCHED + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n" + STOLEN,
        SWITCHED + b"\r\n" + STOLEN,
        SWITCHED + b"Content-Length: 2\r\n\r\nok",
    ),
    *rows(
        "switch-to-something-else",
        Fate.REFUSED,
        SWITCHED + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        SWITCHED + b"Connection: upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
        SWITCHED + b"Connection: upgrade\r\n\r\n",
        SWITCHED + b"Upgrade: websocket\r\n\r\n",
        fields=OFFER,
    ),
]
CUT = [
    *rows(
        "cut",
        Fate.CUT,
        head(b"Content-Length: 10", body=b"half"),
        chunked(b"a\r\nhalf"),
        chunked(b"4\r\nhalf"),
        chunked(b"4\r\nhalf\r\n"),
        chunked(b"4\r\nhalf\r\n0\r\n"),
        chunked(b"4\r\nhalf\r\n0\r\nX: y\r\n"),
        ends=True,
    ),
    *rows(
        "chunks",
        Fate.CUT,
        *map(
            chunked,
            (
                b"4\r\nhalf\r\nzz\r\n", b"4\r\nhalf\r\n2 \r\nok\r\n0\r\n\r\n",
                b"4\r\nhalf\r\n 2\r\nok\r\n0\r\n\r\n", b"4\r\nhalf\r\n0x2\r\nok\r\n0\r\n\r\n",
                b"4\r\nhalf\r\n2\nok\r\n0\r\n\r\n", b"4\r\nhalf\n2\r\nok\r\n0\r\n\r\n",
                b"4\r\nhalfXX2\r\nok\r\n0\r\n\r\n", b"4\r\nhalf2\r\nok\r\n0\r\n\r\n",
                b"4\r\nhalf\r\n10000000000000002\r\nok", b"4\r\nhalf\r\nffffffffffffffff\r\nok",
                b"4\r\nhalf\r\n-2\r\nok\r\n0\r\n\r\n", b"4\r\nhalf\r\n\r\n",
                b"4\r\nhalf\r\n2;a\nb\r\nok",
                b"4\r\nhalf\r\n2;" + b"a" * 5000 + b"\r\nok\r\n0\r\n\r\n",
                b"4\r\nhalf\r\n0\r\nContent-Length: 2\r\n\r\n", b"4\r\nhalf\r\n0\r\nX : y\r\n\r\n",
                b"4\r\nhalf\r\n0\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
            ),
        ),
    ),
]  # fmt: skip

ANSWERS = [*FRAMING, *HEADS, *STATUS, *SILENCE, *BODILESS, *SWITCHES, *CUT]
