"""The gateway's own answers: whole messages that other parsers read, with one body a status."""

from __future__ import annotations

import json
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.model import Reason
from proxy.domain.presentation import BASIC, Presentation
from proxy.http1.error_response import (
    CHALLENGE,
    OF_THE_GATEWAY,
    REFUSALS,
    challenge_of,
    no_content,
    refusal,
)
from proxy.http1.faults import Fault

DATE = b"Thu, 26 Nov 2026 16:30:56 GMT"


def read(answer: bytes, method: str = "GET") -> tuple[h11.Response, dict[str, str], bytes]:
    """(status and fields, fields by their names, body) as h11 reads an answer to `method`."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(answer)
    head = client.next_event()
    assert isinstance(head, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert client.trailing_data == (b"", False)
    return head, {name.decode(): value.decode() for name, value in head.headers}, body


def refused(status: int, **options: Any) -> bytes:
    """An answer with this status."""
    return refusal(status, b"an-id", DATE, **options)


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_a_whole_message_with_an_error_of_its_status(status: int) -> None:
    """It has the request's id and is kept in no cache."""
    head, fields, body = read(refused(status))
    assert head.status_code == status
    assert (fields["x-request-id"], fields["cache-control"]) == ("an-id", "no-store")
    assert fields["date"] == DATE.decode()
    error = json.loads(body)
    code, message = REFUSALS[status]
    assert (error["id"], error["type"], error["status"]) == ("an-id", "error", status)
    assert (error["code"], error["message"], error["title"]) == (code, message, message)


@pytest.mark.parametrize("status", sorted({each.status for each in (*Reason, *Fault)}))
def test_each_status_of_a_reason_has_a_refusal(status: int) -> None:
    """Whatever the gateway refuses, it has an answer for."""
    assert status in REFUSALS


@given(st.from_regex(r"[A-Za-z0-9._:=@+/-]{1,128}", fullmatch=True), st.sampled_from([*REFUSALS]))
def test_the_length_of_a_refusal_is_that_of_its_body(request_id: str, status: int) -> None:
    """Whatever the id of the request, which the body has too."""
    _, fields, body = read(refusal(status, request_id.encode(), DATE))
    assert int(fields["content-length"]) == len(body)
    assert json.loads(body)["id"] == request_id


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_of_head_has_the_fields_of_that_of_get_and_no_body(status: int) -> None:
    """RFC 9110 section 9.3.2."""
    head, body = refused(status), refused(status, head_only=True)
    assert head.startswith(body)
    assert body.endswith(b"\r\n\r\n")
    assert read(body, "HEAD")[1] == read(head)[1]


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("challenge", [CHALLENGE, ""])
def test_a_401_alone_challenges_the_client_unless_it_asks_for_none(
    status: int, challenge: str
) -> None:
    """RFC 9110 section 15.5.2; browsers show no dialogue without a challenge."""
    _, fields, _ = read(refused(status, challenge=challenge))
    assert fields.get("www-authenticate", "") == (challenge if status == 401 else "")


@pytest.mark.parametrize(
    ("accepted", "challenge"),
    [
        (BASIC, CHALLENGE),
        (Presentation(frozenset({b"basic", b"bearer"}), b"x-api-key"), CHALLENGE),
        (Presentation(frozenset({b"bearer"})), 'Bearer realm="API access key and secret key"'),
        (Presentation(frozenset(), b"x-api-key"), 'ApiKey field="x-api-key"'),
    ],
)
def test_a_challenge_names_a_way_that_is_accepted_and_basic_alone_where_that_is(
    accepted: Presentation, challenge: str
) -> None:
    """Every client that waits for a challenge knows Basic."""
    assert challenge_of(accepted) == challenge


@pytest.mark.parametrize("status", REFUSALS)
def test_a_client_may_try_again_after_429_and_503(status: int) -> None:
    """After a second."""
    _, fields, _ = read(refused(status))
    assert fields.get("retry-after") == ("1" if status in {429, 503} else None)


def test_a_refusal_names_the_methods_that_it_was_given_in_allow() -> None:
    """RFC 9110 section 15.5.6."""
    assert read(refused(405, allow=["GET", "HEAD"]))[1]["allow"] == "GET, HEAD"
    standard = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert read(refused(405))[1]["allow"] == standard


def test_a_client_gets_problem_details_where_it_accepts_them() -> None:
    """The body is the same; RFC 9457 gives it another type."""
    _, plain, body = read(refused(403))
    _, problem, same = read(refused(403, problem=True))
    assert plain["content-type"] == "application/json"
    assert problem["content-type"] == "application/problem+json"
    assert body == same


def test_a_refusal_says_whether_the_connection_ends() -> None:
    """By the line that it is given."""
    assert read(refused(400, connection=b"Connection: close\r\n"))[1]["connection"] == "close"
    assert "connection" not in read(refused(400))[1]


def test_options_of_the_gateway_itself_name_its_methods() -> None:
    """RFC 9110 section 9.3.7: `OPTIONS *` is not about a resource of an upstream."""
    answer = no_content(b"an-id", DATE, OF_THE_GATEWAY, b"Connection: close\r\n")
    head, fields, body = read(answer, "OPTIONS")
    assert (head.status_code, body) == (204, b"")
    standard = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert (fields["allow"], fields["connection"]) == (standard, "close")
    assert fields["x-request-id"] == "an-id"
