"""The console's cookies pass the gateway in neither direction, and all others do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.fields import RequestFields
from proxy.http1.grammar import FIELD_BLOCK
from proxy.http1.response_fields import ResponseFields

SENT = [
    (b"Cookie: wardgate=t", b""),
    (b"cookie:__Host-wardgate=t", b""),
    (b"Cookie: wardgate-environment=1a5;", b""),
    (b"Cookie: a=b; wardgate=t", b"Cookie: a=b\r\n"),
    (b"Cookie: wardgate=t; a=b", b"Cookie: a=b\r\n"),
    (b"COOKIE: a=b ;\twardgate =t;c=d; __Host-wardgate=u", b"COOKIE: a=b ;c=d\r\n"),
    (b'Cookie: a="; wardgate=t; b="', b'Cookie: a="; b="\r\n'),
]
KEPT = [
    b"Cookie: a=b",
    b"Cookie: a=wardgate; wardgates=x; my-wardgate=y; Wardgate=z;; ",
    b"X-Cookie: wardgate=t",
    b"Host: wardgate.example",
    b"Set-Cookie: wardgate=t",
]


@pytest.mark.parametrize(("line", "passed"), SENT)
def test_an_upstream_gets_no_cookie_of_the_console(line: bytes, passed: bytes) -> None:
    """Other cookies in the same line stay as they are."""
    block = b"X-A: 1\r\n%b\r\nX-B: 2\r\n\r\n" % line
    assert RequestFields(block).end_to_end == b"X-A: 1\r\n%bX-B: 2\r\n" % passed


@pytest.mark.parametrize("line", KEPT)
def test_everything_else_is_passed_on_as_it_came(line: bytes) -> None:
    """Also what only resembles such a cookie."""
    block = line + b"\r\n\r\n"
    assert RequestFields(block).end_to_end == (block[:-2] if b"Host" not in line else b"")


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        (b" wardgate=t; Path=/; HttpOnly", False),
        (b"__Host-wardgate=t", False),
        (b" wardgate-environment=1a5", False),
        (b" =wardgate=t", False),
        (b"\t wardgate\t= t", False),
        (b" wardgate", False),
        (b" a=wardgate", True),
        (b" a=b; Path=/wardgate=", True),
        (b" wardgates=t", True),
    ],
)
def test_an_upstream_sets_no_cookie_of_the_console(value: bytes, passes: bool) -> None:
    """Nor one without a name, which a browser would send as if it had that name."""
    other = b"Set-Cookie: a=b\r\n"
    line = b"Set-Cookie:%b\r\n" % value
    block = other + line + other + b"\r\n"
    assert ResponseFields(block).end_to_end == other + (line if passes else b"") + other


values = st.sampled_from(
    [b"a=b", b"a=c", b"wardgate=t; a=b", b"a=b; wardgate=u", b"wardgate=t", b"wardgate=\0", b""]
)
following = st.lists(st.tuples(values, st.sampled_from([b"1", b"2"])), min_size=2, max_size=5)


@given(following)
def test_no_head_before_it_on_the_connection_brings_such_a_cookie_back(
    heads: list[tuple[bytes, bytes]],
) -> None:
    """What is remembered of a head is used only where the result is that of reading it afresh."""
    for kind, line in ((RequestFields, b"Cookie"), (ResponseFields, b"Set-Cookie")):
        last: RequestFields | ResponseFields | None = None
        for value, other in heads:
            block = b"%b: %b\r\nX-Other: %b\r\n\r\n" % (line, value, other)
            fresh = kind(block) if FIELD_BLOCK(block) else None
            again = last.again(block) if last else None
            assert again is None or (fresh is not None and again.end_to_end == fresh.end_to_end)
            last = again or fresh or last


@pytest.mark.parametrize("name", [b"Cookie", b"cookie", b"COOKIE"])
def test_no_such_cookie_is_filled_in_where_others_differ(name: bytes) -> None:
    """In a request, where its credentials are asked for too, and in a response."""

    def block(cookie: bytes, line: bytes = b"Authorization: x") -> bytes:
        return b"%b\r\n%b: %b\r\n\r\n" % (line, name, cookie)

    def sets(cookie: bytes) -> bytes:
        return block(cookie, b"Content-Length: 0").replace(name, b"Set-" + name)

    request = RequestFields(block(b"a=1")).again(block(b"a=2"))
    response = ResponseFields(sets(b"a=1")).again(sets(b"a=2"))
    assert request is not None
    assert response is not None
    for read in (request.differing, request.presenting):
        assert read(block(b"a=3"), 0) is not None
        assert read(block(b"a=3; wardgate=4"), 0) is None
    assert response.differing(sets(b"a=3"), 0) is not None
    assert response.differing(sets(b"wardgate=3"), 0) is None
