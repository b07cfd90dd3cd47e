"""Which fields a route may set or leave out in answers."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.config.header_rules import ResponseHeaders
from tests.proxy.config.test_route import problem, read


def test_fields_may_be_set_and_left_out() -> None:
    """Both lists are empty by default."""
    given = {"set": {"Strict-Transport-Security": "max-age=1"}, "remove": ["Server", "x_y"]}
    found = read(response_headers=given).routes[0].response_headers
    assert found is not None
    assert (found.set, found.remove) == (given["set"], given["remove"])
    assert ResponseHeaders() == ResponseHeaders(set={}, remove=[])


CONNECTION = "is about the connection or the framing: the gateway writes it"
GATEWAY = "is the gateway's own"
BODY = "says what the body is, or who gets it from a cache: only the upstream knows"
CORS = "is about other origins: use `cors`"
NAME = "should be the name of a field, such as X-Frame-Options"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("Content-Length", CONNECTION),
        ("TRANSFER-ENCODING", CONNECTION),
        ("Connection", CONNECTION),
        ("Keep-Alive", CONNECTION),
        ("Upgrade", CONNECTION),
        ("TE", CONNECTION),
        ("Trailer", CONNECTION),
        ("Proxy-Connection", CONNECTION),
        ("Proxy-Authenticate", CONNECTION),
        ("Sec-WebSocket-Accept", CONNECTION),
        ("Date", GATEWAY),
        ("X-Request-ID", GATEWAY),
        ("Vary", BODY),
        ("Content-Encoding", BODY),
        ("Content-Range", BODY),
        ("Access-Control-Allow-Origin", CORS),
        ("WWW-Authenticate", "belongs to a 401 (RFC 9110 section 15.5.2): clients need it"),
        ("", NAME),
        ("A B", NAME),
        ("A:", NAME),
        ("A\r\nB", NAME),
        ("A\n", NAME),
        ("é", NAME),
        ("*", "should be the whole name of a field: here * stands for no others"),
        ("X-*", "should be the whole name of a field: here * stands for no others"),
    ],
)
def test_the_promises_of_the_gateway_are_not_for_routes_to_change(
    name: str, complaint: str
) -> None:
    """Neither to set nor to leave out, in whatever case."""
    assert problem(response_headers={"remove": [name]}) == (
        f"response_headers.remove[0]: {complaint}"
    )
    with pytest.raises(ValidationError) as caught:
        ResponseHeaders.model_validate({"set": {name: "x"}})
    (error,) = caught.value.errors()
    assert str(error["ctx"]["error"]) == complaint
    assert error["loc"][-1] == "[key]"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("RateLimit", GATEWAY),
        ("RateLimit-Policy", GATEWAY),
        ("Retry-After", GATEWAY),
        ("Set-Cookie", "would be one cookie for everybody"),
    ],
)
def test_some_fields_may_be_left_out_but_not_set(name: str, complaint: str) -> None:
    """The gateway says them itself, or each client has its own."""
    assert problem(response_headers={"set": {name: "x"}}).endswith(complaint)
    assert ResponseHeaders(remove=[name]).remove == [name]


@pytest.mark.parametrize(
    "value",
    ["", " x", "x ", "a\r\nSet-Cookie: x", "a\nb", "a\rb", "a\0b", "\t", "ä", "x" * 4097, 5],
)
def test_a_value_is_one_line_of_visible_ascii(value: object) -> None:
    """The message does not repeat it."""
    expected = "should be 1 to 4096 visible ASCII characters, with spaces only between them"
    assert problem(response_headers={"set": {"X-A": value}}) == (
        f"response_headers.set.X-A: {expected}"
    )


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"set": {"X-A": "1", "x-a": "2"}}, "set: names a field twice"),
        ({"remove": ["X-A", "x-a"]}, "remove: names a field twice"),
        (
            {"set": {"X-A": "1"}, "remove": ["x-a"]},
            "remove: names a field that is set: that replaces the upstream's own already",
        ),
        ({"removed": []}, "removed: unknown setting; did you mean remove?"),
    ],
)
def test_rules_that_contradict_each_other_are_refused(
    settings: dict[str, Any], complaint: str
) -> None:
    """Whatever the case of their names."""
    assert problem(response_headers=settings) == f"response_headers.{complaint}"


def test_there_is_a_greatest_number_of_rules() -> None:
    """Thirty-two of each kind."""
    names = [f"X-{number}" for number in range(33)]
    assert "at most 32" in problem(response_headers={"remove": names})
    assert ResponseHeaders(remove=names[:32])
