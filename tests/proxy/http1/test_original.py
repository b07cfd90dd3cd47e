"""What an original request is, by what a proxy tells of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.http1.faults import Fault, Malformed
from proxy.http1.fields import RequestFields, RequestTable
from proxy.http1.forwarding import Peer
from proxy.http1.grammar import RequestLine, request_line
from proxy.http1.original import Convention, original_client, original_line, told_line

NAMES = Convention(b"x-original-method", b"x-original-uri", b"x-forwarded-for")
TABLE = RequestTable(read=NAMES.names)
PEER = Peer("127.0.0.1", "http", True)


def fields(*lines: bytes) -> RequestFields:
    """The fields of these lines."""
    return RequestFields(b"".join(line + b"\r\n" for line in (*lines, b"")), TABLE)


def outcome(read: Callable[..., RequestLine], *arguments: object) -> RequestLine | Fault:
    """What `read` returns, or the fault that it finds."""
    try:
        return read(*arguments)
    except Malformed as malformed:
        return malformed.fault


VALUE = st.text("\t !/%.;?#:abGET01\x80\xff", max_size=12).map(lambda text: text.encode("latin-1"))


@given(VALUE, VALUE)
@example(b"GET", b"/a ")
@example(b"GET", b"/a\t")
@example(b"GET /a HTTP/1.1", b"")
@example(b"GET", b"/a HTTP/1.1")
def test_what_is_told_is_read_as_if_the_client_had_sent_it(method: bytes, target: bytes) -> None:
    """No method and target that the gateway refuses become others on the way."""
    told = fields(b"X-Original-Method: " + method, b"X-Original-URI: " + target)
    line = b"%b %b HTTP/1.1" % (method, target)
    assert told_line(b"GET / HTTP/1.1", told, NAMES) == line
    expected = outcome(request_line, line)
    assert outcome(original_line, line, 8192) == expected
    if isinstance(expected, RequestLine):
        assert (expected.method, expected.path + (expected.query or b"")) == (method, target)


def test_a_line_is_as_long_as_one_to_the_gateway_at_most() -> None:
    """Whatever the field's own line takes."""
    assert original_line(b"GET /%b HTTP/1.1" % (b"a" * 50), 64).path == b"/" + b"a" * 50
    with pytest.raises(Malformed) as caught:
        original_line(b"GET /%b HTTP/1.1" % (b"a" * 51), 64)
    assert caught.value.fault is Fault.REQUEST_LINE_SIZE


@pytest.mark.parametrize("listed", [b"", b"x", b"127.0.0.1, x", b"fe80::1%eth0", b"127.0.0.1,_x"])
def test_a_client_without_an_address_is_refused(listed: bytes) -> None:
    """The proxy's own address is not taken for it."""
    with pytest.raises(Malformed) as caught:
        original_client(fields(b"X-Forwarded-For: " + listed), PEER, NAMES, lambda _: False)
    assert caught.value.fault is Fault.ORIGINAL


@pytest.mark.parametrize(
    ("listed", "client"),
    [
        (b"192.0.2.7", "192.0.2.7"),
        (b"192.0.2.7:4711", "192.0.2.7"),
        (b"[2001:db8::1]:4711", "2001:db8::1"),
        (b"198.51.100.1, ::ffff:192.0.2.7", "192.0.2.7"),
    ],
)
def test_a_client_has_the_address_that_the_last_proxy_names(listed: bytes, client: str) -> None:
    """In its usual text."""
    told = fields(b"X-Forwarded-For: " + listed)
    assert original_client(told, PEER, NAMES, lambda _: False).client == client
