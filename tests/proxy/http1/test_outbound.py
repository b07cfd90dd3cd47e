"""Request heads as they go upstream, and the address of a client behind a trusted proxy.

What heads become of requests is tested with the whole gateway too: tests/hostile/test_requests.py.
"""

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
def test_the_client_is_the_last_hop_that_is_no_trusted_proxy(
    lines: list[str], expected: str
) -> None:
    """Hops before one that cannot be read do not count."""
    block = "".join(f"X-Forwarded-For: {line}\r\n" for line in lines) + "\r\n"
    fields = RequestFields(block.encode())
    assert client_of(fields, "10.0.0.1", lambda address: address.startswith("10.")) == expected
