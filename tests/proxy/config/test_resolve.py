"""The settings of a name that resolves to many servers."""

from __future__ import annotations

import pytest

from proxy.config.resolve import Resolve
from tests.proxy.config.conftest import Complaints, Read

HEAD = "listen: 127.0.0.1:8080\nupstreams:\n  default:\n"
NAME = HEAD + "    url: http://api.internal:8080\n"


def test_a_name_is_looked_up_as_the_system_says_unless_told_otherwise(read: Read) -> None:
    """Its IPv4 addresses, within bounds of the TTL."""
    upstream = read(NAME + "    resolve: {}\n").upstreams["default"]
    assert upstream.resolve == Resolve()
    assert upstream.resolve.srv is None
    assert upstream.resolve.servers is None
    assert upstream.verified_name is None
    assert read(NAME).upstreams["default"].resolve is None


def test_what_is_for_several_targets_is_for_a_name_too(read: Read) -> None:
    """It may have the address of a DNS server, with or without a port."""
    text = NAME + (
        "    balance: hash\n    slow_start: 5\n    ejection: {failures: 1}\n"
        "    resolve: {srv: _http._tcp.api.internal, networks: [10.0.0.0/8, 'fd00::/8'],"
        " servers: [10.0.0.53, '10.0.0.54:5353', '::1', '[::1]:5353']}\n"
    )
    resolve = read(text).upstreams["default"].resolve
    assert resolve
    assert resolve.srv == "_http._tcp.api.internal"
    assert [str(each) for each in resolve.networks or ()] == ["10.0.0.0/8", "fd00::/8"]
    assert resolve.servers == [
        ("10.0.0.53", 53),
        ("10.0.0.54", 5353),
        ("::1", 53),
        ("::1", 5353),
    ]


def test_a_certificate_has_to_have_the_name_of_the_url(read: Read) -> None:
    """Whatever addresses the DNS gives; or the name of `server_name`."""
    text = NAME.replace("http:", "https:") + "    resolve: {}\n"
    assert read(text).upstreams["default"].verified_name == "api.internal"
    text += "    server_name: other\n"
    assert read(text).upstreams["default"].verified_name == "other"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEAD + "    url: http://10.0.0.1\n    resolve: {}\n", "resolve: needs a url with a host"),
        (HEAD + "    url: unix:/x\n    resolve: {}\n", "resolve: needs a url with a host"),
        (HEAD + "    resolve: {}\n", "url: is required"),
        (HEAD + "    targets: [http://a]\n    resolve: {}\n", "resolve: contradicts targets"),
        (NAME + "    resolve: yes\n", "resolve: should be settings, each as"),
        (NAME + "    resolve: {srv: 10.0.0.1}\n", "resolve.srv: should be a name to look up"),
        (NAME + "    resolve: {srv: a..b}\n", "resolve.srv: should be a name to look up"),
        (NAME + f"    resolve: {{srv: {'a' * 64}}}\n", "resolve.srv: should be a name to look up"),
        (NAME + "    resolve: {servers: [ns.internal]}\n", "resolve.servers[0]: should be the IP"),
        (NAME + "    resolve: {servers: ['10.0.0.1:0']}\n", "resolve.servers[0]: should be the IP"),
        (NAME + "    resolve: {servers: []}\n", "resolve.servers: should hold at least one"),
        (NAME + "    resolve: {networks: [10.0.0.1/8]}\n", "resolve.networks[0]: is an address wi"),
        (NAME + "    resolve: {networks: []}\n", "resolve.networks: should hold at least one"),
        (NAME + "    resolve: {family: ipv5}\n", "resolve.family: should be 'ipv4', 'ipv6' or"),
        (NAME + "    resolve: {min_ttl: 0}\n", "resolve.min_ttl: should be greater than 0"),
        (NAME + "    resolve: {min_ttl: 400}\n", "resolve.max_ttl: should be at least min_ttl"),
        (NAME + "    resolve: {max-ttl: 4}\n", "unknown setting; did you mean max_ttl?"),
        (NAME + "    balance: hash\n    resolve: {srv: 1}\n", "resolve.srv: should be a name"),
    ],
)
def test_what_is_wrong_is_named(complaints: Complaints, text: str, problem: str) -> None:
    """Once, with what to do."""
    (found,) = complaints(text)
    assert problem in found
