"""What the fields of a head mean: framing, the connection, and which lines are passed on."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.faults import Malformed
from proxy.http1.fields import COMMON, NAMES, PLAIN, RequestFields
from proxy.http1.grammar import FIELD_BLOCK
from proxy.http1.template import as_format

LINE = b"GET / HTTP/1.1\r\n"


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
    """005 is five; the gateway passes it on as 5."""
    assert read(b"Content-Length: 005").length == 5


@pytest.mark.parametrize(
    "host",
    [b"", b"a b", b"a@b", b"a/../b", b"a,b", b"a:99999", b"a:", b"[::1", b"a:b", b"a\xff", b"a?b"],
)
def test_a_malformed_host_is_refused(host: bytes) -> None:
    """Host is a name or an address, and may have a port up to 65535."""
    with pytest.raises(Malformed):
        RequestFields(b"Host: " + host + b"\r\n\r\n")


@pytest.mark.parametrize("host", [b"a", b"a-b.c:80", b"10.0.0.1", b"[::1]:8080", b"my_service"])
def test_a_host_is_a_name_or_an_address(host: bytes) -> None:
    """As clients write them."""
    assert RequestFields(b"Host: " + host + b"\r\n\r\n").host == host


def test_a_second_host_is_refused() -> None:
    """Another parser might read the other one."""
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
def test_a_field_that_only_the_gateway_may_send_is_not_passed_on(name: bytes) -> None:
    """Hop-by-hop, identity and forwarding fields are removed, however they are spelt."""
    kept = read(name + b": x", b"X-Mine: y").end_to_end
    assert kept == b"X-Mine: y\r\n"


def test_fields_that_connection_names_are_not_passed_on() -> None:
    """They are for this hop alone (RFC 9110 section 7.6.1)."""
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
def test_lines_are_passed_on_byte_for_byte(pairs: list[tuple[bytes, bytes]]) -> None:
    """And in their order, where no table has their names."""
    lines = b"".join(name + b":" + value + b"\r\n" for name, value in pairs)
    if FIELD_BLOCK(lines + b"\r\n"):
        assert RequestFields(lines + b"\r\n").end_to_end == lines


@pytest.mark.parametrize(
    ("kept", "sent"),
    [(b"abc-123", [b"abc-123"]), (None, [b"a b"]), (None, [b"a", b"b"]), (None, [b'"}'])],
)
def test_a_request_id_is_kept_where_it_is_well_formed(
    kept: bytes | None, sent: list[bytes]
) -> None:
    """It is written into the access log and a field, so it must be one plain word."""
    assert read(*(b"X-Request-Id: " + value for value in sent)).request_id == kept


@pytest.mark.parametrize("member", [b"a,", b","])
def test_a_list_has_at_most_100_members(member: bytes) -> None:
    """Empty ones count too, because each takes time to read."""
    assert not read(b"Connection: x" + member * 98).close
    with pytest.raises(Malformed):
        read(b"Connection: " + member * 101)


def test_unknown_names_take_up_a_bounded_amount_of_memory() -> None:
    """However long they are, and however many come."""
    for number in range(2 * NAMES):
        assert read(b"X-%060d: y" % number, b"X-%065d: y" % number).end_to_end
    assert len(PLAIN) <= NAMES
    assert max(map(len, PLAIN)) <= COMMON


VALUES = [b"", b" 1", b" %b", b"2", b" close", b" x-a", b" Basic eA==", b" chunked", b" \xff"]
VALUES += [b" \0", b" a\rb", b"a\n"]  # which the grammar refuses
ODD = [b"no colon", b"X-A : 1", b"X-A: \r", b"X-A:\n1", b"", b": 1", b"X-A: \x00"]


@st.composite
def blocks(draw: st.DrawFn, names: tuple[bytes, ...]) -> list[bytes]:
    """Blocks of fields, each similar to the one before, some of them malformed."""
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


def read_of(fields: RequestFields) -> dict[str, object]:
    """All public attributes."""
    return {name: value for name, value in vars(fields).items() if name[0] != "_"}


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


@given(blocks(ASKED))
def test_a_request_that_reuses_the_fields_before_it_reads_the_same(
    blocks: list[bytes],
) -> None:
    """As if its fields were read afresh, whatever differs; and never for a malformed block."""
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


@given(st.lists(st.lists(st.sampled_from([b" 1", b"2", b"3"]), min_size=4, max_size=4), max_size=6))
def test_only_values_that_mean_nothing_here_are_filled_in(heads: list[list[bytes]]) -> None:
    """All that is read is the same then, but for the credentials where these are asked for."""
    names = (b"X-A", b"Authorization", b"X_Request_Id", b"X-Request-Id")
    before: RequestFields | None = None
    for values_of in heads:
        lines = (b"%b:%b\r\n" % line for line in zip(names, values_of, strict=True))
        block = b"".join(lines) + b"\r\n"
        head = LINE + block
        fresh = None
        if FIELD_BLOCK(block):
            with suppress(Malformed):
                fresh = RequestFields(block)
        values = before.differing(head, len(LINE)) if before else None
        if before and values is not None:
            assert fresh is not None
            assert as_format(before.blanked) % tuple(values) == fresh.end_to_end
            assert read_of(before) | {"end_to_end": fresh.end_to_end} == read_of(fresh)
        presented = before.presenting(head, len(LINE)) if before else None
        if before and presented is not None:
            assert fresh is not None
            credentials = {"authorization": presented or None, "end_to_end": fresh.end_to_end}
            assert read_of(before) | credentials == read_of(fresh)
        before = (before.again(block) if before else None) or fresh or before


@pytest.mark.parametrize("name", [b"X-Mine", b"X-Request-Id", b"Authorization"])
def test_a_request_reuses_the_fields_before_it_where_one_value_differs(name: bytes) -> None:
    """A value that differs between requests has no other field read again."""
    first, second = (b"Host: h\r\nAccept: */*\r\n" + name + b": %d\r\n\r\n" % n for n in (1, 2))
    before = RequestFields(first)
    again = before.again(second)
    assert again is not None
    assert again is not before
    assert again.noted is before.noted
    assert before.again(first) is before
    assert before.again(b"Accept: */*\r\n" + first) is None
