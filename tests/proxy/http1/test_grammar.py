"""The grammar of request heads: what is accepted, what is refused, and what other parsers do."""

from __future__ import annotations

import h11
import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.http1.faults import Malformed
from proxy.http1.grammar import FIELD_BLOCK, METHODS, REQUEST_LINE, request_line
from proxy.http1.head_scan import HeadScan, Limits

ACCEPTED = [
    b"GET / HTTP/1.1",
    b"GET /v1/projects/a/x HTTP/1.1",
    b"GET /v1/projects/a/x? HTTP/1.1",
    b"GET /a?b=c&d=%zz#"[:-1] + b" HTTP/1.0",
    b"DELETE /a/b.c/.well-known/..x HTTP/1.1",
    b"POST /caf%C3%A9/a%20b HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"PROPFIND /x HTTP/1.1",
    b"VERSION-CONTROL /x HTTP/1.1",
    b"own!method /x HTTP/1.1",
    b"PATCH /~user/a,b=c@d:e!$&'()*+ HTTP/1.1",
    b'GET /a?q="<>^{}|\\` HTTP/1.1',
]


@pytest.mark.parametrize("line", ACCEPTED)
def test_a_plain_request_line_is_accepted_as_it_stands(line: bytes) -> None:
    """An accepted target is the bytes that came, in two parts: path and query."""
    request = request_line(line)
    target = line.split(b" ")[1]
    assert request.path + (request.query or b"") == target
    assert request.minor == int(line[-1:])


REFUSED = [
    (405, b"TRACE /x HTTP/1.1"),
    (405, b"CONNECT a:443 HTTP/1.1"),
    (405, b"get /x HTTP/1.1"),
    (405, b"Propfind /x HTTP/1.1"),
    (405, b"* /x HTTP/1.1"),
    (405, b"PRI /x HTTP/1.1"),
    (400, b"G=T /x HTTP/1.1"),
    (505, b"GET /x HTTP/0.9"),
    (505, b"GET /x HTTP/2.0"),
    (400, b"GET /x HTTP/1.2"),
    (400, b"GET /x http/1.1"),
    (400, b"GET /x HTTP/1.1 "),
    (400, b"GET /x HTTP/11"),
    (400, b"PRI * HTTP/2.0"),
    (400, b"GET /x"),
    (400, b"GET  /x HTTP/1.1"),
    (400, b"GET /x  HTTP/1.1"),
    (400, b"GET\t/x HTTP/1.1"),
    (400, b"GET /x /y HTTP/1.1"),
    (400, b" GET /x HTTP/1.1"),
    (400, b"G@T /x HTTP/1.1"),
    (400, b" /x HTTP/1.1"),
    (400, b"GET * HTTP/1.1"),
    (400, b"GET http://evil/v1/projects/b/x HTTP/1.1"),
    (400, b"GET gopher://evil/x HTTP/1.1"),
    (400, b"GET http://a@evil/x HTTP/1.1"),
    (400, b"GET //evil/x HTTP/1.1"),
    (400, b"GET x HTTP/1.1"),
    (400, b"GET @evil/x HTTP/1.1"),
    (400, b"GET a:80 HTTP/1.1"),
    (400, b"GET ?x HTTP/1.1"),
    *(
        (400, b"GET /v1/projects/" + path + b" HTTP/1.1")
        for path in (
            b"a/../b/x",
            b"a/./x",
            b"a/..",
            b"a/.",
            b"a/%2e%2e/b",
            b"a/.%2e/b",
            b"a/%2E%2E/b",
            b"a/..\\b",
            b"a%5c..%5cb",
            b"a/x\\y",
            b"/a/x",
            b"a//x",
            b"a/x//",
            b"a%00/x",
            b"a/%0d%0a/x",
            b"a/%7f",
            b"a/%c0%ae",
            b"a/%ff",
            b"a/%c2%85",
            b"a/%u002e",
            b"a/%",
            b"a/%2",
            b"a/%zz",
            b"a/\xc3\xa9",
            b"a/\xff",
            b"a/\t",
            b"a/\x7f",
            b"a/\x00",
            b"a#/../b",
            b"a/x?#",
            b"a/x?\xff",
            b"a/x?\x01",
            *(b"a</x", b"a>/x", b"a`/x"),
        )
    ),
]


@pytest.mark.parametrize(("status", "line"), REFUSED)
def test_an_ambiguous_request_line_is_refused(status: int, line: bytes) -> None:
    """What another parser might read differently is refused, each with its own status."""
    with pytest.raises(Malformed) as caught:
        request_line(line)
    assert caught.value.fault.status == status


@pytest.mark.parametrize(
    "path",
    [
        b"/a/..%2fb",
        b"/a/x%2f..%2f..%2fb",
        b"/a/%2F./b",
        b"/a/..;/b",
        b"/a/.;x=y/b",
        b"/a/x;y/..;z",
        b"/a/..%3b/b",
        b"/a/..%3B%2fb",
        b"/a/%252e%252e/b",
        b"/a/%25252e%25252e/b",
        b"/a/..%252fb",
        b"/a/..%255cb",
        b"/a/%2500",
        b"/a/%25c0%25ae",
        b"/a/%25u002e",
        b"/a/%" + b"25" * 4 + b"41",
        b"/a/%" + b"25" * 4000,
    ],
)
def test_no_reading_of_a_path_climbs_out_of_an_environment(path: bytes) -> None:
    """Not even where a route allows `%2F`, `%25` or `;`: an upstream may decode or drop them."""
    with pytest.raises(Malformed) as caught:
        request_line(b"GET " + path + b" HTTP/1.1")
    assert caught.value.fault.status == 400


@pytest.mark.parametrize(
    ("path", "characters"),
    [
        (b"/a%2fb", {b"%2F"}),
        (b"/a%2Fb", {b"%2F"}),
        (b"/a%25b", {b"%25"}),
        (b"/a%2541", {b"%25"}),
        (b"/a%252541", {b"%25"}),
        (b"/a;b", {b";"}),
        (b"/a%3bb", {b";"}),
        (b"/a/x;/b", {b";"}),
        (b"/a%3fb%23", set()),
        (b'/a[0]|^{b}"', {b"[", b"]", b"|", b"^", b"{", b"}", b'"'}),
        (b"/a%5B%7C%22", set()),
        (b"/a%ef%bc%8fb%ef%bc%85", set()),
    ],
)
def test_characters_that_a_route_may_allow_are_reported(
    path: bytes, characters: set[bytes]
) -> None:
    """An escaped slash, an escaped per cent sign, a semicolon, and what RFC 3986 has no place for,
    are for the route to allow."""
    assert request_line(b"GET " + path + b" HTTP/1.1").characters == characters


@pytest.mark.parametrize(
    "path",
    [
        *(b"/a/x%2F..%2Fb", b"/a/..%2fb", b"/a%2F..", b"/a/x%2f.%2fb", b"/a/..;/b", b"/a/..;x=y/b"),
        *(b"/a/.;/b", b"/a/..%3B/b", b"/a/%252e%252e/b", b"/a/x%252F..%252Fb", b"/a/..%255Cb"),
        *(b"/a/..%20/b", b"/a/%20..", b"/a/.%C2%A0/b", b"/a/..%2520/b"),
        *(b"/a/..%3Fx", b"/a/..%23/b", b"/a/x;%2F..%2Fb", b"/a/..;%2Fb"),
    ],
)
def test_no_character_that_a_route_allows_hides_a_dot_segment(path: bytes) -> None:
    """A route cannot allow a path out of an environment."""
    with pytest.raises(Malformed):
        request_line(b"GET " + path + b" HTTP/1.1")


@pytest.mark.parametrize(
    "path",
    [
        b"/a/%ef%bc%8e%ef%bc%8e/b",
        b"/a/.%EF%BC%8E/b",
        b"/a/%e2%80%a4%e2%80%a4/b",
        b"/a/%e2%80%a5/b",
        b"/a/%ef%b9%92./b",
        b"/a/x%ef%bc%8f..%ef%bc%8fb",
        b"/a/%ef%bc%8f..",
        b"/a/..%e2%88%95b",
        b"/a/..%c2%a5b",
        b"/a/.%e2%80%8b./b",
        b"/a/..%ef%bc%9bx/b",
        b"/a/..%ef%bc%9fx",
        b"/a/x%ef%bc%bc..",
        b"/a/x%ef%b9%a8",
        b"/a/%ef%bc%852e%ef%bc%852e/b",
        b"/a/%ef%bc%85ef%ef%bc%85bc%ef%bc%858e./b",
        b"/a/%25ef%25bc%258e./b",
    ],
)
def test_compatibility_forms_are_judged_like_what_they_become(path: bytes) -> None:
    """Fullwidth dots, slashes and per cent signs make a dot segment, as leaders of one and of two
    dots do."""
    with pytest.raises(Malformed):
        request_line(b"GET " + path + b" HTTP/1.1")


def scan(head: bytes, limits: Limits, *cuts: int) -> tuple[str, int]:
    """(the verdict on `head`, its end or its status) when it arrives in pieces, cut at `cuts`."""
    scanner = HeadScan(limits)
    try:
        for cut in [*sorted(cuts), len(head)]:
            if end := scanner.feed(head[:cut]):
                return "whole", end
    except Malformed as malformed:
        return malformed.fault.code, malformed.fault.status
    return "incomplete", 0


USUAL = Limits(head_size=65536, line_size=8192, fields=100)
SMALL = Limits(head_size=96, line_size=32, fields=3)
heads = st.lists(
    st.sampled_from(
        [
            *(b"GET /a HTTP/1.1\r\n", b"Host: h\r\n", b"X: " + b"a" * 40 + b"\r\n", b"\r\n", b"\n"),
            *(b"\r", b"A: b\n", b" fold\r\n", b"GET /" + b"a" * 40, b"B:", b"C : d\r\n", b"\x00"),
        ]
    ),
    max_size=8,
).map(b"".join)


@given(heads, st.data())
def test_a_verdict_does_not_depend_on_how_the_bytes_were_split(
    head: bytes, data: st.DataObject
) -> None:
    """Wherever it is cut, a head ends at the same byte or is refused for the same reason."""
    cuts = data.draw(st.lists(st.integers(0, len(head)), max_size=4))
    assert scan(head, SMALL, *cuts) == scan(head, SMALL)


@pytest.mark.parametrize(
    ("status", "head"),
    [
        (414, b"GET /" + b"a" * 9000),
        (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n"),
        (431, b"GET / HTTP/1.1\r\nX: " + b"a" * 9000),
        (431, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101),
        (431, b"GET / HTTP/1.1\r\n" + (b"X: " + b"a" * 8000 + b"\r\n") * 9),
        (400, b"GET / HTTP/1.1\n"),
        (400, b"GET / HTTP/1.1\r\nX: a\nY: b"),
        (400, b"\r\n\r\n"),
        (400, b"\n"),
    ],
)
def test_a_head_that_cannot_become_good_is_refused_before_it_ends(status: int, head: bytes) -> None:
    """The gateway does not wait for the rest of a head that it will refuse anyway."""
    assert scan(head, USUAL)[1] == status


def test_one_empty_line_may_stand_before_a_head() -> None:
    """Some clients send a CRLF behind a body; the head begins behind it."""
    scanner = HeadScan(USUAL)
    assert scanner.feed(b"\r\nGET / HTTP/1.1\r\n\r\n") == 20
    assert scanner.start == 2


def llhttp_accepts(head: bytes) -> bool:
    """Whether llhttp, in its strict mode, accepts `head` as the beginning of a request."""

    class Ignore:
        """Has none of the callbacks."""

    try:
        httptools.HttpRequestParser(Ignore()).feed_data(head)
    except httptools.HttpParserUpgrade:
        return True
    except httptools.HttpParserError:
        return False
    return True


def h11_accepts(head: bytes) -> bool:
    """Whether h11 accepts `head` as the beginning of a request."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head)
    try:
        return isinstance(connection.next_event(), h11.Request)
    except h11.RemoteProtocolError:
        return False


methods = st.sampled_from([*METHODS, b"FOO", b"get", b"G\x00T", b""])
anything = st.binary(max_size=6) | st.sampled_from(
    [b"/", b"%2e", b"?", b"#", b"..", b"\xc3\xa9", b":"]
)
targets = st.lists(anything | st.just(b"/a"), min_size=1, max_size=5).map(b"".join)
fields = st.lists(
    st.tuples(
        st.sampled_from([b"Host", b"X-A", b"Accept", b"X A", b"", b"X\x01"]),
        st.sampled_from([b": ", b":", b" :", b":\t", b""]),
        st.binary(max_size=6) | st.sampled_from([b"h", b"a b", b"\xff", b"\x7f", b"\x0b"]),
        st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n "]),
    ).map(b"".join),
    max_size=3,
).map(b"".join)


@given(methods, targets, st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2"]), fields)
@example(b"GET", b"/", b"HTTP/1.1", b"X: \xff\r\n")
def test_nothing_that_llhttp_or_h11_refuses_is_accepted(
    method: bytes, target: bytes, version: bytes, block: bytes
) -> None:
    """The grammar is never wider than that of the parsers that upstreams use."""
    line = method + b" " + target + b" " + version
    rest = b"Host: h\r\n" + block + b"\r\n"
    try:
        request_line(line)
    except Malformed:
        return
    if not FIELD_BLOCK(rest):
        return
    # A second Host is refused later, where the meaning of fields is read.
    if rest.lower().count(b"host:") == 1:
        # llhttp has a list of methods, and refuses all others.
        known = line if method in METHODS else b"GET" + line.removeprefix(method)
        assert llhttp_accepts(known + b"\r\n" + rest)
        assert h11_accepts(line + b"\r\n" + rest)


@given(methods, targets, st.sampled_from([b"HTTP/1.1", b"HTTP/1.0"]))
def test_the_fast_pattern_accepts_only_what_the_slow_way_accepts(
    method: bytes, target: bytes, version: bytes
) -> None:
    """The pattern for plain request lines is a short cut, not another grammar."""
    line = method + b" " + target + b" " + version
    if REQUEST_LINE(line):
        path = target.partition(b"?")[0]
        assert b"//" not in path
        assert not {b".", b".."} & set(path.split(b"/"))
        assert request_line(line).characters == frozenset()
