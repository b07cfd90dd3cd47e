"""Requests that some other server would read in another way: each with the answer it must get.

The key belongs to environment `a`. R: 400, the connection closes, and no byte goes upstream.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.harness import World, status, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTH = b"Authorization: @\r\n"
"""Stands for the credentials of the key of `a`."""
HEAD = b" /v1/projects/a/x HTTP/1.1\r\nHost: h\r\n" + AUTH
POST, GET = b"POST" + HEAD, b"GET" + HEAD
SECOND = b"GET /v1/projects/b/stolen HTTP/1.1\r\nHost: h\r\n" + AUTH + b"\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gate(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One gate for all rows: it must come unharmed out of each."""
    folder: Path = tmp_path_factory.mktemp("hostile")
    async with world(folder) as running:
        yield running


async def answer(gate: World, raw: bytes) -> bytes:
    """What the gate says to `raw` before it closes, however many answers that is."""
    return await asyncio.wait_for(gate.send(raw.replace(AUTH, gate.key_a.basic)), 30)


def coding(value: bytes) -> bytes:
    """A POST with this Transfer-Encoding and a body that fits `chunked`."""
    return POST + b"Transfer-Encoding:" + value + b"\r\n\r\n0\r\n\r\n" + SECOND


def length(value: bytes) -> bytes:
    """A POST with this Content-Length."""
    return POST + b"Content-Length:" + value + b"\r\n\r\nhello" + SECOND


def get(target: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """A GET of `target`."""
    return b"GET " + target + b" " + version + b"\r\nHost: h\r\n" + AUTH + b"\r\n"


def last(target: bytes) -> bytes:
    """A GET of `target` that says it is the last one."""
    return get(target)[:-2] + b"Connection: close\r\n\r\n"


def host(value: bytes) -> bytes:
    """A GET with this Host line and nothing else of the kind."""
    return b"GET /v1/projects/a/x HTTP/1.1\r\n" + value + AUTH + b"\r\n"


TARGETS = b"""
http://evil/v1/projects/b/x  gopher://evil/x  http://a@evil/x  //evil/x  x  @evil/x  a:80  *  ?
/v1/projects/a/../b/x  /v1/projects/a/./x  /v1/projects/a/..  /v1/projects/a/%2e%2e/b
/v1/projects/a/.%2e/b  /v1/projects/a/%2E%2E/b  /v1/projects/a%2fb/x  /v1/projects/a/..%2fb
/v1/projects/a/..\\b  /v1/projects/a%5c..%5cb  /v1/projects/a/%252e%252e/b  /v1/projects/a;env=b/x
/v1/projects/a/..;/b/x  //v1/projects/a/x  /v1//projects/a/x  /v1/projects//x  /v1/projects/a//x
/v1/projects/%61/x  /v1/projects/a%00/x  /v1/projects/a%20/x  /v1/projects/a./x  /v1/projects/a/%
/v1/projects/%e2%80%8ba/x  /v1/projects/a/%0d%0aX:y  /v1/projects/a/%c0%ae  /v1/projects/a/%ff
/v1/projects/a/%u002e  /v1/projects/a/%zz  /v1/projects/a/\xc3\xa9  /v1/projects/a/\xff
/v1/projects/a/\x7f  /v1/projects/a#/../b  /v1/projects/a/x?#  /v1/projects/a%3fx/y
/v1/projects/a%23x/y  /v1/projects/a"/x  /v1/projects/a</x  /v1/projects/a>/x  /v1/projects/a^/x
/v1/projects/a{/x  /v1/projects/a}/x  /v1/projects/a`/x  /v1/projects/a|/x  /V1/projects/a/x
/v1/Projects/b/x  /v1/project%73/b/x  /v2-beta/PROJECTS/b/x
"""

R: dict[str, bytes] = {
    "length-then-coding": POST
    + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "coding-then-length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
    **{
        f"coding-{number}": coding(value)
        for number, value in enumerate(
            (b" xchunked", b" identity", b' "chunked"', b" chunked;a=b", b" chunked, identity")
            + (b" chunked, chunked", b" \x0bchunked", b" chunked\t", b" , chunked", b" ", b"")
            + (
                b" chunked\r\nTransfer-Encoding: chunked",
                b" chunked\r\nTransfer-Encoding: identity",
            )
            + (b" chunked\r\nTransfer-Encoding:", b"\x00chunked", b" chunked ")
        )
    },
    "empty-coding-and-length": POST + b"Transfer-Encoding: \r\nContent-Length: 5\r\n\r\nhello",
    "space-before-colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "folded-coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "underscore-coding": POST + b"Transfer_Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "underscore-length": POST + b"Content_Length: 5\r\n\r\nhello",
    "underscore-connection": GET + b"Http2_Settings: x\r\n\r\n",
    "coding-to-1.0": POST.replace(b"1.1", b"1.0")
    + b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    **{
        f"length-{number}": length(value)
        for number, value in enumerate(
            (
                b" +5",
                b" -1",
                b" 0x5",
                b" 5 5",
                b" 5_0",
                b" 1e1",
                b"",
                b" ",
                b" 5,5",
                b" 5\t",
                b" \xb2",
            )
            + (b" 5\r\nContent-Length: 5", b" 5\r\nContent-Length: 6", b" 18446744073709551616")
        )
    },
    "bare-line-feeds": b"GET /v1/projects/a/x HTTP/1.1\nHost: h\n\n",
    "bare-line-feed-in-head": GET + b"X: a\nY: b\r\n\r\n",
    "bare-cr": GET + b"X: a\rY: b\r\n\r\n",
    "nul": GET + b"X: a\0b\r\n\r\n",
    "control": GET + b"X: a\x01b\r\n\r\n",
    "delete": GET + b"X: a\x7fb\r\n\r\n",
    "fold": GET + b"X: a\r\n b\r\n\r\n",
    "first-line-folded": b"GET /v1/projects/a/x HTTP/1.1\r\n Host: h\r\n\r\n",
    "no-colon": GET + b"X\r\n\r\n",
    "empty-name": GET + b": x\r\n\r\n",
    "space-in-name": GET + b"X : y\r\n\r\n",
    "bracket-in-name": GET + b"X(: y\r\n\r\n",
    "not-ascii-in-name": GET + b"X\xc3\xa9: y\r\n\r\n",
    "version-1.2": get(b"/v1/projects/a/x", b"HTTP/1.2"),
    "version-in-lower-case": get(b"/v1/projects/a/x", b"http/1.1"),
    "h2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two-spaces": b"GET  /v1/projects/a/x  HTTP/1.1\r\nHost: h\r\n\r\n",
    "tab": b"GET\t/v1/projects/a/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "space-behind": b"GET /v1/projects/a/x HTTP/1.1 \r\nHost: h\r\n\r\n",
    "two-targets": b"GET /v1/projects/a/x /y HTTP/1.1\r\nHost: h\r\n\r\n",
    "two-empty-lines-before": b"\r\n\r\n" + GET + b"\r\n",
    **{
        f"target-{target!r}": get(target)
        for target in (*TARGETS.split(), b"", b"/v1/projects/a/\t")
    },
    "no-host": host(b""),
    "two-hosts": host(b"Host: h\r\nHost: h\r\n"),
    "two-hosts-in-cases": host(b"Host: h\r\nhOST: i\r\n"),
    **{
        f"host-{number}": host(b"Host: " + value + b"\r\n")
        for number, value in enumerate(
            (b"", b"a b", b"a@b", b"a/../b", b"a,b", b"a:99999", b"a:", b"a:b", b"[::1", b"a\xff")
        )
    },
    "websocket-post-with-body": POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Content-Length: 5\r\n\r\nhello" + SECOND,
    "websocket-without-key": GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
}


@pytest.mark.parametrize("row", R)
async def test_an_ambiguous_request_is_refused_and_nothing_goes_upstream(
    gate: World, row: str
) -> None:
    """400, closed, and the upstream has seen nothing: not the request, not what came behind it."""
    gate.upstream.forget()
    said = await answer(gate, R[row])
    assert status(said) == 400
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in said
    assert gate.upstream.seen == b""


LONG = b"a" * 9000
OTHERS: dict[str, tuple[int, bytes]] = {
    "coded-and-chunked": (501, coding(b" gzip, chunked")),
    "version-0.9": (505, get(b"/v1/projects/a/x", b"HTTP/0.9")),
    "version-2.0": (505, get(b"/v1/projects/a/x", b"HTTP/2.0")),
    "lower-case-method": (405, b"get" + HEAD + b"\r\n"),
    "unknown-method": (405, b"FOO" + HEAD + b"\r\n"),
    "trace": (405, b"TRACE" + HEAD + b"\r\n"),
    "connect": (405, b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n" + SECOND),
    "expect": (417, POST + b"Expect: x\r\nContent-Length: 5\r\n\r\nhello"),
    "long-line": (414, get(b"/v1/projects/a/" + LONG)),
    "long-line-without-end": (414, b"GET /" + LONG),
    "long-field": (431, GET + b"X: " + LONG + b"\r\n\r\n"),
    "many-fields": (431, GET + b"X: y\r\n" * 200 + b"\r\n"),
    "large-head": (431, GET + (b"X: " + LONG[:8000] + b"\r\n") * 120 + b"\r\n"),
    "other-environment": (403, last(b"/v1/projects/b/x")),
    "environment-in-capitals": (403, last(b"/v1/projects/A/x")),
    "no-such-environment": (403, last(b"/v1/projects/zz/x")),
    "expect-with-bad-key": (
        401,
        b"POST /v1/projects/a/x HTTP/1.1\r\nHost: h\r\nAuthorization: Basic eDp5\r\n"
        b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", OTHERS)
async def test_other_refusals_have_a_status_of_their_own(gate: World, row: str) -> None:
    """And close as well, and nothing goes upstream."""
    expected, raw = OTHERS[row]
    gate.upstream.forget()
    said = await answer(gate, raw)
    assert status(said) == expected
    assert said.count(b"HTTP/1.1 ") == 1
    assert gate.upstream.seen == b""


BODY: dict[str, tuple[int, bytes]] = {
    "17-digits": (400, b"10000000000000005\r\n"),
    "larger-than-any-body": (413, b"ffffffffffffffff\r\n"),
    **{
        f"size-{number}": (400, size + b"\r\nhello\r\n0\r\n\r\n" + SECOND)
        for number, size in enumerate(
            (b"0x5", b"+5", b"-5", b" 5", b"5 ", b"", b"5;a\nb", b"5;a\rb")
        )
    },
    "nul-in-extension": (400, b"5;a=\0\r\nhello\r\n0\r\n\r\n"),
    "long-extension": (400, b"5;" + b"a" * 3_000_000 + b"\r\nhello\r\n0\r\n\r\n"),
    "data-ends-in-xx": (400, b"5\r\nhelloXX0\r\n\r\n" + SECOND),
    "data-ends-in-lf": (400, b"5\r\nhello\n0\r\n\r\n" + SECOND),
    "data-ends-in-nothing": (400, b"5\r\nhello0\r\n\r\n" + SECOND),
    "length-in-trailer": (400, b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n" + SECOND),
    "coding-in-trailer": (400, b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n" + SECOND),
    "connection-in-trailer": (400, b"5\r\nhello\r\n0\r\nConnection: keep-alive\r\n\r\n" + SECOND),
    "many-trailers": (400, b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 1000 + b"\r\n" + SECOND),
}


@pytest.mark.parametrize("row", BODY)
async def test_a_body_that_turns_out_ambiguous_never_becomes_whole_upstream(
    gate: World, row: str
) -> None:
    """Its head has gone by then: the upstream connection is cut before the last chunk."""
    expected, body = BODY[row]
    gate.upstream.forget()
    said = await answer(gate, POST + b"Transfer-Encoding: chunked\r\n\r\n" + body)
    assert status(said) == expected
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"0\r\n\r\n" not in gate.upstream.seen
    assert gate.upstream.requests == []


async def test_a_trailer_ends_at_the_gate(gate: World) -> None:
    """It is never merged into what the upstream takes for fields."""
    gate.upstream.forget()
    body = b"5\r\nhello\r\n0\r\nAuthorization: Basic eDp5\r\nX-Wardgate-Key: me\r\n\r\n"
    raw = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    assert status(await answer(gate, raw)) == 200
    assert gate.upstream.requests[0].endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")


async def test_a_length_with_leading_zeros_is_sent_on_in_its_plain_form(gate: World) -> None:
    """005 could be octal to somebody."""
    gate.upstream.forget()
    raw = POST + b"Connection: close\r\nContent-Length: 005\r\n\r\nhello"
    assert status(await answer(gate, raw)) == 200
    assert b"\r\nContent-Length: 5\r\n" in gate.upstream.requests[0]
    assert b"Length: 005" not in gate.upstream.requests[0]


async def test_bytes_that_are_not_ascii_pass_in_a_value_as_they_are(gate: World) -> None:
    """obs-text of RFC 9110 section 5.5: opaque, and so untouched."""
    gate.upstream.forget()
    assert status(await answer(gate, GET + b"Connection: close\r\nX: a\xff\xfeb\r\n\r\n")) == 200
    assert b"\r\nX: a\xff\xfeb\r\n" in gate.upstream.requests[0]


async def test_an_empty_query_is_kept(gate: World) -> None:
    """The target that was judged is the target that is sent."""
    gate.upstream.forget()
    raw = last(b"/v1/projects/a/x?")
    assert status(await answer(gate, raw)) == 200
    assert gate.upstream.requests[0].startswith(b"GET /v1/projects/a/x? HTTP/1.1\r\n")


async def test_the_environment_is_read_from_the_path_alone(gate: World) -> None:
    """A query that looks like a path is a query."""
    gate.upstream.forget()
    raw = last(b"/v1/projects/a/x?y=/v1/projects/b")
    assert status(await answer(gate, raw)) == 200
    assert b"\r\nX-Wardgate-Environment: a\r\n" in gate.upstream.requests[0]


async def test_options_star_is_answered_by_the_gate_itself(gate: World) -> None:
    """It asks about the server that it reaches, and that is the gate."""
    gate.upstream.forget()
    said = await answer(gate, b"OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert status(said) == 204
    assert b"\r\nAllow: GET, HEAD, POST" in said
    assert gate.upstream.seen == b""


@pytest.mark.parametrize(
    "lines",
    [
        b"Connection: Upgrade\r\nUpgrade: foo\r\n",
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n",
        b"Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n",
        b"Upgrade: websocket\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
    ],
)
async def test_a_protocol_that_no_route_speaks_is_not_offered_upstream(
    gate: World, lines: bytes
) -> None:
    """The request goes on without it, and what stands behind it is never taken for a request."""
    gate.upstream.forget()
    said = await answer(gate, GET + lines + b"\r\n" + SECOND + b"JUNK")
    assert status(said) == 200
    assert said.count(b"HTTP/1.1 ") == 1
    (request,) = gate.upstream.requests
    assert b"pgrade" not in request
    assert b"HTTP2" not in request


async def test_nothing_is_served_behind_connection_close(gate: World) -> None:
    """A request that says it is the last one is."""
    gate.upstream.forget()
    said = await answer(gate, GET + b"Connection: close\r\n\r\n" + GET + b"\r\n")
    assert said.count(b"HTTP/1.1 ") == 1
    assert len(gate.upstream.requests) == 1


async def test_each_pipelined_request_is_judged_by_its_own_credentials(gate: World) -> None:
    """A request without any, behind one with good ones, is refused."""
    gate.upstream.forget()
    bare = b"GET /v1/projects/a/two HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    said = await answer(gate, GET + b"\r\n" + bare)
    assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"200", b"401"]
    assert len(gate.upstream.requests) == 1


@pytest.mark.parametrize(
    "authorization",
    [
        *(
            b"Basic " + value
            for value in (b"YTpi=", b"YTpiYR==", b"-_-_", b"YQ==", b"", b"YTpi, YTpi")
        ),
        *(
            b"Basic " + base64.b64encode(pair)
            for pair in (b"a\0:b", b"\xff\xfe:x", b"a:" + b"x" * 73)
        ),
        *(b"Basic", b"Bearer abc", b"Basic YTpi\r\nAuthorization: Basic YTpi", b"Basic\tYTpi", b""),
    ],
)
async def test_credentials_that_are_not_in_the_one_form_are_refused(
    gate: World, authorization: bytes
) -> None:
    """401 with the challenge, and the same bytes whatever the cause."""
    gate.upstream.forget()
    raw = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: h\r\nX-Request-Id: same\r\nConnection: close\r\n"
    said = await answer(gate, raw + b"Authorization: " + authorization + b"\r\n\r\n")
    none = await answer(gate, raw + b"\r\n")
    assert status(said) == 401
    dateless = [part.partition(b"\r\nDate: ") for part in (said, none)]
    assert dateless[0][2][29:] == dateless[1][2][29:]
    assert gate.upstream.seen == b""
