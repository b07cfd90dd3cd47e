"""Who is behind a proxy of ours, as it says."""

from __future__ import annotations

import pytest

from proxy.http1.fields import RequestFields
from proxy.http1.outbound import client_of


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "10.0.0.1"),
        (["198.51.100.7"], "198.51.100.7"),
        (["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
        (["6.6.6.6", "198.51.100.7"], "198.51.100.7"),
        (["198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        (["198.51.100.7, 10.0.0.3, 10.0.0.2"], "198.51.100.7"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (["::ffff:198.51.100.7"], "198.51.100.7"),
        (["198.51.100.7:4711"], "198.51.100.7"),
        (["[2001:db8::7]:4711"], "2001:db8::7"),
        (["[2001:db8::7]"], "2001:db8::7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["198.51.100.7, unknown"], "10.0.0.1"),
        (["198.51.100.7, unknown, 10.0.0.2"], "10.0.0.2"),
        ([""], "10.0.0.1"),
        (["fe80::1%eth0"], "10.0.0.1"),
        (['fe80::1%"x\\'], "10.0.0.1"),
        (["[fe80::1%1]:4711"], "10.0.0.1"),
        (["198.51.100.7, fe80::1%1, 10.0.0.2"], "10.0.0.2"),
    ],
)
def test_client(lines: list[str], expected: str) -> None:
    """The last hop that is no proxy of ours; what cannot be read is not passed by."""
    block = "".join(f"X-Forwarded-For: {line}\r\n" for line in lines) + "\r\n"
    fields = RequestFields(block.encode())
    assert client_of(fields, "10.0.0.1", lambda address: address.startswith("10.")) == expected
