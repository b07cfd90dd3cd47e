"""Which bodies are read as a JSON object."""

from __future__ import annotations

import pytest

from admin.api.body import parse
from admin.service.errors import Refused


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
