"""Which bodies are read as a JSON object."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from admin.api.body import body_bytes, parse
from admin.service.errors import Refused
from tests.admin.admin_api import AdminApi


def test_a_json_object_in_utf_8_is_read_whatever_it_holds() -> None:
    """An object in UTF-8 is taken, whatever it holds."""
    assert parse('{"name": "ü", "x": [1, null, {"y": 1e3}]}'.encode()) == {
        "name": "ü",
        "x": [1, None, {"y": 1000.0}],
    }


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"name=x",
        b"{} {}",
        b'{"name": "a", "name": "b"}',
        b'{"x": {"y": 1, "y": 2}}',
        b'{"x": NaN}',
        b'{"x": -Infinity}',
        b'{"x": "\xff"}',
        b"\xef\xbb\xbf{}",
        '{"x": 1}'.encode("utf-16"),
        b"[" * 1_000_000,
        b'{"x":' * 100_000,
        b'{"x": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_no_json_object_or_has_two_readings_is_refused(body: bytes) -> None:
    """What is no JSON object, or could be read in two ways, is refused."""
    with pytest.raises(Refused) as caught:
        parse(body)
    assert caught.value.code == "InvalidBodyContent"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "line 1, column 2: "),
        (b"name=x", "line 1, column 1: "),
        (
            b'{\n  "name": "a",\n  "description" "b"\n}',
            "line 3, column 17: Expecting ':' delimiter",
        ),
        (b'\r\n\r\n{"name": tru}', "line 3, column 10: "),
        (b"{} {}", "line 1, column 4: "),
        ('{"name": "ü" "x"}'.encode(), "line 1, column 14: "),
        ('{"x": "ü",\n"y": "'.encode() + b"\xff", "line 2, column 7: a byte that is not UTF-8"),
        (b"[]", "it is an array, not an object"),
        (b"null", "it is null, not an object"),
        (b"7", "it is a number, not an object"),
        (b'{"name": 1, "name": 2}', 'an object has the name "name" twice'),
        (b'{"x": NaN}', "NaN is not JSON"),
        (b"[" * 1_000_000, "it is nested too deeply"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_the_refusal_of_a_body_says_where_its_fault_is(body: bytes, detail: str) -> None:
    """By line and column from 1, in characters; what has no one place is said in words."""
    with pytest.raises(Refused) as caught:
        parse(body)
    assert str(caught.value.detail).startswith(detail)


async def test_the_place_in_a_body_counts_from_its_first_byte(api: AdminApi) -> None:
    """Also where it begins with empty lines."""
    answer = await api.admin.post("/v2-beta/apikeys", b'\n\n{"name": }')
    assert answer.code == "400 InvalidBodyContent"
    assert answer.body["detail"].startswith("line 3, column 10: ")
    assert (await api.admin.post("/v2-beta/apikeys", b" \n ")).status == 201


async def test_a_body_whose_connection_was_closed_before_is_cut_off() -> None:
    """It is the client's fault, or that of the limit of connections, and no error of ours."""
    loop = asyncio.get_running_loop()
    closed = StreamReader(BaseProtocol(loop), 65536, loop=loop)
    request = make_mocked_request("POST", "/login", {"Content-Length": "5"}, payload=closed)
    with pytest.raises(Refused, match="ends before the length"):
        await body_bytes(request)
