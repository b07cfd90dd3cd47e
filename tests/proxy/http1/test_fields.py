"""What the fields of a head say: framing, the connection, and which lines go on."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.faults import Malformed
from proxy.http1.fields import _KNOWN, COMMON, NAMES, RequestFields, ResponseFields
from proxy.http1.grammar import FIELD_BLOCK


def read(*lines: bytes) -> RequestFields:
    """The fields of a request with these lines and a Host."""
    return RequestFields(b"\r\n".join([b"Host: h", *lines, b"", b""]))


def status_of(*lines: bytes) -> int:
    """The status that a request with these lines is refused with, 0 where it is not."""
    try:
        read(*lines)
    except Malformed as malformed:
        return malformed.fault.status
    return 0


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        *((400, [b"Transfer-Encoding: " + value]) for value in (
            b"xchunked", b"identity", b'"chunked"', b"chunked;a=b", b"chunked, identity",
            b"chunked, chunked", b"\x0bchunked", b"chunked\t", b"chunked ", b", chunked", b"",
            b"gzip", b"foo, chunked",
        )),
        (400, [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"]),
        (400, [b"Content-Length: 6", b"Transfer-Encoding: chunked"]),
        (400, [b"Transfer-Encoding: chunked", b"Content-Length: 6"]),
        (400, [b"Transfer-Encoding: ", b"Content-Length: 5"]),
        (400, [b"Transfer-Encoding: gzip, chunked", b"Content-Length: 5"]),
        (501, [b"Transfer-Encoding: gzip, chunked"]),
        (501, [b"Transfer-Encoding: deflate,x-gzip , chunked"]),
        *((400, [b"Content-Length: " + value]) for value in (
            b"+5", b"-1", b"0x5", b"5 5", b"5_0", b"1e1", b"", b"5,5", b"5, 5",
            b"18446744073709551616", b"9223372036854775808", b"\xb2",
        )),
        (400, [b"Content-Length: 5", b"Content-Length: 5"]),
        (400, [b"Content-Length: 5", b"content-length: 6"]),
        *((400, [name + b": x"]) for name in (
            b"Transfer_Encoding", b"content_length", b"Proxy_Authorization", b"Http2_Settings",
        )),
        (417, [b"Expect: x"]),
        (417, [b"Expect: 100-continue", b"Expect: 100-continue"]),
    ],
)  # fmt: skip
def test_framing_that_could_be_read_in_two_ways_is_refused(status: int, lines: list[bytes]) -> None:
    """Each framing field once, in its plainest form, and never two kinds of framing."""
    assert status_of(*lines) == status


def test_a_length_with_leading_zeros_means_what_it_says() -> None:
    """005 is five; it is written anew as 5 when it goes on."""
    assert read(b"Content-Length: 005").length == 5


@pytest.mark.parametrize(
    "host",
    [b"", b"a b", b"a@b", b"a/../b", b"a,b", b"a:99999", b"a:", b"[::1", b"a:b", b"a\xff", b"a?b"],
)
def test_a_host_that_is_not_one_is_refused(host: bytes) -> None:
    """Host is a name or an address, with a port that exists or none."""
    with pytest.raises(Malformed):
        RequestFields(b"Host: " + host + b"\r\n\r\n")


@pytest.mark.parametrize("host", [b"a", b"a-b.c:80", b"10.0.0.1", b"[::1]:8080", b"my_service"])
def test_a_host_is_a_name_or_an_address(host: bytes) -> None:
    """What clients put there passes."""
    assert RequestFields(b"Host: " + host + b"\r\n\r\n").host == host


def test_a_second_host_is_refused() -> None:
    """Two Hosts could be two places."""
    assert status_of(b"Host: h") == 400


GONE = [
    *(
        b"Connection",
        b"Keep-Alive",
        b"Proxy-Connection",
        b"TE",
        b"Trailer",
        b"Upgrade",
        b"Forwarded",
    ),
    *(b"X-Forwarded-For", b"X-Forwarded-Prefix", b"x_forwarded_host", b"X-Original-URL"),
    *(b"X-Rewrite-Url", b"X-HTTP-Method-Override", b"X-Real-IP", b"Remote-User", b"Remote_User"),
    *(b"X-Wardgate-Key", b"x-WARDGATE-role", b"X_Wardgate_Key", b"X-Wardgate_Anything"),
    *(b"Authorization", b"Proxy-Authorization", b"HTTP2-Settings", b"X-Request-Id"),
]


@pytest.mark.parametrize("name", GONE)
def test_what_only_the_gateway_may_say_does_not_pass(name: bytes) -> None:
    """Hop-by-hop, identity and forwarding fields are taken out, however they are spelt."""
    kept = read(name + b": x", b"X-Mine: y").end_to_end
    assert kept == b"X-Mine: y\r\n"


def test_fields_that_connection_names_do_not_pass() -> None:
    """Connection says which fields are for this hop alone (RFC 9110 section 7.6.1)."""
    fields = read(b"Connection: X-One , x-two,close", b"X-One: 1", b"X-TWO: 2", b"X-Three: 3")
    assert fields.end_to_end == b"X-Three: 3\r\n"
    assert fields.close


@given(
    st.lists(
        st.tuples(
            st.text("abcXYZ-_!", min_size=1, max_size=6).map(str.encode),
            st.binary(max_size=8).filter(lambda value: b"\r\n" not in value),
        ),
        max_size=6,
    )
)
def test_lines_that_pass_are_the_bytes_that_came(pairs: list[tuple[bytes, bytes]]) -> None:
    """No table knows these names: every line goes on to the letter, in its order."""
    lines = b"".join(name + b":" + value + b"\r\n" for name, value in pairs)
    if FIELD_BLOCK(lines + b"\r\n"):
        assert RequestFields(lines + b"\r\n").end_to_end == lines


@pytest.mark.parametrize(
    ("kept", "sent"),
    [(b"abc-123", [b"abc-123"]), (None, [b"a b"]), (None, [b"a", b"b"]), (None, [b'"}'])],
)
def test_a_request_id_is_kept_where_it_is_one(kept: bytes | None, sent: list[bytes]) -> None:
    """It goes into a log and a field, so it must be a plain word."""
    assert read(*(b"X-Request-Id: " + value for value in sent)).request_id == kept


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        [b"Content-Length: 5", b"Content-Length: 5"],
        [b"Content-Length: 5,5"],
        [b"Transfer-Encoding: xchunked"],
        [b"Transfer-Encoding: gzip, chunked"],
    ],
)
def test_an_answer_that_could_be_read_in_two_ways_is_refused(lines: list[bytes]) -> None:
    """An upstream is held to the same grammar."""
    with pytest.raises(Malformed):
        ResponseFields(b"\r\n".join([*lines, b"", b""]))


def test_an_answer_keeps_its_fields_but_for_those_of_its_hop() -> None:
    """Cookies and redirects pass untouched; what was for the gateway does not."""
    kept = b"Set-Cookie: a\r\nLocation: http://in/\r\n"
    block = kept + b"Keep-Alive: 5\r\nConnection: x-y\r\nX-Y: 1\r\n\r\n"
    assert ResponseFields(block).end_to_end == kept


@pytest.mark.parametrize("member", [b"a,", b","])
def test_a_list_has_so_many_members(member: bytes) -> None:
    """Empty ones count too: each takes time to read."""
    assert not read(b"Connection: x" + member * 98).close
    with pytest.raises(Malformed):
        read(b"Connection: " + member * 101)


def test_names_that_nobody_uses_fill_no_memory() -> None:
    """What is remembered of names is little, however long they are and however many come."""
    for number in range(2 * NAMES):
        assert read(b"X-%060d: y" % number, b"X-%065d: y" % number).end_to_end
    assert len(_KNOWN) <= NAMES
    assert max(map(len, _KNOWN)) <= COMMON


VALUES = [b"", b" 1", b" %b", b"2", b" close", b" x-a", b" Basic eA==", b" chunked", b" \xff"]
VALUES += [b" \0", b" a\rb", b"a\n"]  # no line has these
ODD = [b"no colon", b"X-A : 1", b"X-A: \r", b"X-A:\n1", b"", b": 1", b"X-A: \x00"]


@st.composite
def blocks(draw: st.DrawFn, names: tuple[bytes, ...]) -> list[bytes]:
    """Blocks of fields, each much like the one before, and what is none."""
    line = st.tuples(st.sampled_from(names), st.sampled_from(VALUES)).map(b":".join)
    lines = draw(st.lists(line, max_size=6))
    found = [lines]
    for _ in range(4):
        lines = list(lines)
        for place in draw(st.sets(st.integers(0, len(lines)), max_size=2)):
            other = draw(st.one_of(st.sampled_from(VALUES), line, st.sampled_from(ODD)))
            if other in VALUES and place < len(lines):
                other = lines[place].partition(b":")[0] + b":" + other
            lines[place : place + 1] = [other]
        found.append(lines)
    return [b"".join(each + b"\r\n" for each in lines) + b"\r\n" for lines in found]


def read_of(fields: RequestFields | ResponseFields) -> dict[str, object]:
    """All that was read."""
    if isinstance(fields, RequestFields):
        return {name: value for name, value in vars(fields).items() if name[0] != "_"}
    names = (name for name in ResponseFields.__slots__ if name[0] != "_")
    return {name: getattr(fields, name) for name in names}


ASKED = (
    b"X-A",
    b"X%d",
    b"X-B",
    b"Authorization",
    b"X-Request-Id",
    b"X_Request_Id",
    b"Connection",
    b"Host",
)
ANSWERED = (
    b"X-A",
    b"Server",
    b"Content-Length",
    b"Connection",
    b"Transfer-Encoding",
    b"X-Request-Id",
)


@given(blocks(ASKED))
def test_what_is_taken_over_from_the_request_before_is_what_would_be_read(
    blocks: list[bytes],
) -> None:
    """Whatever differs between the two, and only ever for what is a block of fields."""
    before = None
    for block in blocks:
        again = before.again(block) if before else None
        if before and again:
            assert FIELD_BLOCK(block)
            afresh = RequestFields(block)
            same = again.authorization == before.authorization
            assert same == (again.authorization is before.authorization)
            assert read_of(again) == read_of(afresh)
        elif FIELD_BLOCK(block):
            try:
                again = RequestFields(block)
            except Malformed:
                continue
        if again:
            before = again


@given(blocks(ANSWERED))
def test_what_is_taken_over_from_the_answer_before_is_what_would_be_read(
    blocks: list[bytes],
) -> None:
    """Likewise, of an upstream's."""
    before = None
    for block in blocks:
        try:
            again = before.again(block) if before else None
        except Malformed:
            with pytest.raises(Malformed):
                ResponseFields(block)
            continue
        if again:
            assert FIELD_BLOCK(block)
            assert read_of(again) == read_of(ResponseFields(block))
        elif FIELD_BLOCK(block):
            with suppress(Malformed):
                again = ResponseFields(block)
        before = again or before


@pytest.mark.parametrize("name", [b"X-Mine", b"X-Request-Id", b"Authorization"])
def test_most_is_taken_over_where_one_value_differs(name: bytes) -> None:
    """What only tells one request from the next has nothing else read anew."""
    first, second = (b"Host: h\r\nAccept: */*\r\n" + name + b": %d\r\n\r\n" % n for n in (1, 2))
    before = RequestFields(first)
    again = before.again(second)
    assert again is not None
    assert again is not before
    assert again.noted is before.noted
    assert before.again(first) is before
    assert before.again(b"Accept: */*\r\n" + first) is None


def test_of_an_answer_even_the_length_may_differ() -> None:
    """Answers of one upstream differ by little else."""
    again = ResponseFields(b"Server: s\r\nContent-Length: 5\r\n\r\n").again(
        b"Server: s\r\nContent-Length: 06\r\n\r\n"
    )
    assert again is not None
    assert (again.length, again.framing) == (6, b"Content-Length: 6\r\n")
    assert again.end_to_end == b"Server: s\r\n"
