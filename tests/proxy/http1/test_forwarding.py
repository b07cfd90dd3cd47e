"""What is known of a client behind proxies: its address, X-Forwarded-* and Forwarded."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http1.faults import Malformed
from proxy.http1.fields import RequestFields
from proxy.http1.forwarding import (
    LOCAL,
    MAX_FORWARDED,
    Forwarding,
    Hop,
    Peer,
    elements,
    forwarding,
)

PROXY = Peer("10.0.0.1", "http", True)


def known(*lines: str, peer: Peer = PROXY) -> Forwarding:
    """What is known of the client of a request with these fields, where 10.* are trusted."""
    block = "".join(f"{line}\r\n" for line in ("Host: gateway", *lines)) + "\r\n"
    return forwarding(RequestFields(block.encode()), peer, lambda each: each.startswith("10."))


def told(*lines: str, peer: Peer = PROXY) -> dict[str, str]:
    """The fields that the upstream gets, each of them once."""
    sent = known(*lines, peer=peer).lines.decode().split("\r\n")
    assert sent.pop() == ""
    fields = dict[str, str](line.split(": ", 1) for line in sent)
    assert len(fields) == len(sent)
    return fields


def forwarded_for(*lines: str) -> str:
    """The Forwarded that the upstream gets."""
    return told(*lines)["Forwarded"]


CHAINS = [
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
]


@pytest.mark.parametrize(("lines", "expected"), CHAINS)
def test_the_client_is_the_last_hop_that_is_no_trusted_proxy(
    lines: list[str], expected: str
) -> None:
    """Hops before one that cannot be read do not count."""
    assert known(*(f"X-Forwarded-For: {line}" for line in lines)).client == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=198.51.100.7", "198.51.100.7"),
        ('For="198.51.100.7:4711"', "198.51.100.7"),
        ('for="[2001:db8::7]:4711";by=_gate', "2001:db8::7"),
        ("for=6.6.6.6, for=198.51.100.7, for=10.0.0.2", "198.51.100.7"),
        ("for=198.51.100.7, for=_hidden, for=10.0.0.2", "10.0.0.2"),
        ("for=198.51.100.7, for=unknown", "10.0.0.1"),
        ("for=198.51.100.7, proto=https", "10.0.0.1"),
    ],
)
def test_a_proxy_may_name_the_client_in_forwarded_alone(value: str, expected: str) -> None:
    """Obfuscated and unknown nodes have no address: the proxy that named them stands for them."""
    assert known(f"Forwarded: {value}").client == expected


def test_an_untrusted_peer_is_the_client_whatever_it_says() -> None:
    """All fields about it are the gateway's own."""
    peer = Peer("198.51.100.7", "https", False)
    said = ["X-Forwarded-For: 10.0.0.9", "Forwarded: for=10.0.0.9", "X-Forwarded-Prefix: /evil"]
    assert known(*said, peer=peer).client == "198.51.100.7"
    assert told(*said, "X-Forwarded-Proto: http", "X-Forwarded-Host: evil", peer=peer) == {
        "X-Forwarded-For": "198.51.100.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "gateway",
        "X-Forwarded-Port": "443",
        "Forwarded": 'for=198.51.100.7;proto=https;host="gateway"',
    }


def test_a_client_on_a_unix_socket_is_unknown() -> None:
    """X-Forwarded-For has no word for it."""
    fields = told(peer=Peer(LOCAL, "http", False))
    assert "X-Forwarded-For" not in fields
    assert fields["Forwarded"] == 'for=unknown;proto=http;host="gateway"'


OURS = 'for=10.0.0.1;proto=http;host="gateway"'


def test_forwarded_is_continued() -> None:
    """As it came, with the gateway's element at the end."""
    came = 'for="[2001:db8::7]:4711";by=_edge;secret="a, \\"b\\"";proto=http, for=10.0.0.2'
    fields = told("X-Forwarded-For: 2001:db8::7, 10.0.0.2", f"Forwarded: {came}")
    assert fields["Forwarded"] == f"{came}, {OURS}"
    assert fields["X-Forwarded-For"] == "2001:db8::7, 10.0.0.2, 10.0.0.1"
    lines = [f"Forwarded: {each}" for each in came.split(", for")]
    assert forwarded_for(lines[0], lines[1].replace(": =", ": for=")) == f"{came}, {OURS}"


def test_either_field_is_made_from_the_other_where_only_one_came() -> None:
    """Ports and obfuscated names have no place in X-Forwarded-For."""
    fields = told("X-Forwarded-For: 198.51.100.7:4711, 2001:db8::7, some text", "X-Forwarded-For:")
    url = ';proto=http;host="gateway"'
    assert fields["Forwarded"] == (
        f'for=198.51.100.7{url}, for="[2001:db8::7]", for=unknown, {OURS}'
    )
    assert fields["X-Forwarded-For"] == "198.51.100.7:4711, 2001:db8::7, some text, 10.0.0.1"
    came = 'for=_hidden, for="[2001:db8::7]:4711", for="198.51.100.7:80"'
    assert told(f"Forwarded: {came}") == {
        "X-Forwarded-For": "unknown, 2001:db8::7, 198.51.100.7, 10.0.0.1",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "gateway",
        "X-Forwarded-Port": "80",
        "Forwarded": f"{came}, {OURS}",
    }


@pytest.mark.parametrize(
    "came",
    [
        "for=10.0.0.9",
        "for=198.51.100.7, for=10.0.0.2",
        "for=unknown",
        "for=198.51.100.7;proto=https",
        'for=198.51.100.7;host="evil"',
        "malformed",
    ],
)
def test_x_forwarded_for_decides_where_the_two_disagree(came: str) -> None:
    """Most proxies set only that, and pass on a Forwarded that their client made up."""
    fields = told("X-Forwarded-For: 198.51.100.7", f"Forwarded: {came}")
    assert fields["Forwarded"] == f'for=198.51.100.7;proto=http;host="gateway", {OURS}'
    assert fields["X-Forwarded-For"] == "198.51.100.7, 10.0.0.1"


def test_scheme_and_host_are_those_that_the_outermost_trusted_proxy_saw() -> None:
    """What its client said of them counts as little as what it said of addresses. X-Forwarded-Proto
    and X-Forwarded-Host come first."""
    client = 'for=198.51.100.7;host="api.example:8443";proto=HTTPS'
    came = f"for=6.6.6.6;host=evil, {client}, for=10.0.0.2;proto=http"
    fields = told(f"Forwarded: {came}")
    assert fields["X-Forwarded-Proto"] == "https"
    assert (fields["X-Forwarded-Host"], fields["X-Forwarded-Port"]) == ("api.example:8443", "8443")
    url = ';proto=https;host="api.example:8443"'
    assert fields["Forwarded"] == (
        f"for=6.6.6.6{url}, for=198.51.100.7, for=10.0.0.2, for=10.0.0.1{url}"
    )
    fields = told(f"Forwarded: {came}", "X-Forwarded-Proto: http", "X-Forwarded-Host: other")
    assert (fields["X-Forwarded-Proto"], fields["X-Forwarded-Host"]) == ("http", "other")


@pytest.mark.parametrize("proto", ["ftp", "h2c"])
def test_a_scheme_that_is_not_of_http_is_not_passed_on(proto: str) -> None:
    """Nothing else could be true of a request."""
    assert told(f"Forwarded: for=198.51.100.7;proto={proto}")["X-Forwarded-Proto"] == "http"


MALFORMED = [
    *("for", "for=", "=x", "for=a b", "for = 1.2.3.4", "for=1.2.3.4; proto=http", "for=1.2.3.4 x"),
    *("for=1.2.3.4;for=1.2.3.4", "for=1.2.3.4;FOR=1.2.3.5", "for=2001:db8::1", "for=[2001:db8::1]"),
    *('for="2001:db8::1"', 'for="[1.2.3.4]"', "for=1.2.3.256", 'for="1.2.3.4:"', 'for=""'),
    *('for="[2001:db8::1"', 'for="[::1%25eth0]"', 'for="1.2.3.4:123456"', "for=_", "for=someone"),
    *('for="1.2.3.4', 'for="1.2.3.4"x', 'for="1.2.3.4""x"', 'for="a\\', "for=1.2.3.4/8"),
    *("for=1.2.3.4;by=someone", "for=1.2.3.4;proto=1", 'for=1.2.3.4;host="a b"', 'host=""'),
    *('host="user@h"', 'x=", for=1.2.3.4;host="h"', "for=1.2.3.4;x=\x80"),
]


@pytest.mark.parametrize("bad", MALFORMED)
def test_a_malformed_forwarded_is_dropped_as_a_whole(bad: str) -> None:
    """Well-formed elements beside it do not count either, nor those of another line."""
    block = f"Forwarded: for=198.51.100.7, {bad}\r\nForwarded: for=10.0.0.2\r\n\r\n".encode(
        "latin-1"
    )
    found = forwarding(RequestFields(block), PROXY, lambda _: True)
    assert found.client == "10.0.0.1"
    assert found.lines.endswith(b"Forwarded: for=10.0.0.1;proto=http\r\n")


def test_empty_elements_of_forwarded_do_not_count() -> None:
    """A recipient has to ignore empty members of lists (RFC 9110 section 5.6.1)."""
    assert elements([b"", b", for=1.2.3.4;;,\t,;proto=http; ".strip()]) == [
        Hop("1.2.3.4"),
        Hop(None, b"http"),
    ]


@given(st.text('for="1.2,;[]: \\_%\t', max_size=40))
def test_whatever_forwarded_holds_it_is_read_whole_or_not_at_all(value: str) -> None:
    """If it is read, each element between commas that are not quoted is."""
    found = elements([value.strip().encode()])
    if found and '"' not in value:
        assert len(found) == sum(bool(part.strip(" \t;")) for part in value.split(","))


addresses = st.ip_addresses().map(str)
hops = st.one_of(
    addresses,
    st.ip_addresses(v=4).map(lambda ip: f"{ip}:80"),
    st.ip_addresses(v=6).map(lambda ip: f"[{ip}]:80"),
    st.sampled_from(["unknown", "", "10.0.0.2", "some text", "a;b=c", '"']),
)
nodes = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda ip: f'"[{ip}]:80"'),
    st.sampled_from(["unknown", "_x", "10.0.0.2", '"10.0.0.3:_p"', "malformed"]),
)
urls = st.sampled_from(["", ";proto=https", ";proto=http;host=a", ';host="b:1"'])


@given(
    st.lists(hops, max_size=4),
    st.lists(st.tuples(nodes, urls), max_size=4),
    st.lists(st.sampled_from(["Proto: https", "Host: api:1", "Port: 1", "Proto: x"]), unique=True),
)
def test_all_fields_agree_whatever_a_trusted_proxy_sends(
    listed: list[str], forwarded: list[tuple[str, str]], more: list[str]
) -> None:
    """Forwarded has the addresses of X-Forwarded-For, and no other scheme and host than
    X-Forwarded-Proto and X-Forwarded-Host."""
    lines = [f"X-Forwarded-{each}" for each in more]
    if listed:
        lines.append("X-Forwarded-For: " + ", ".join(listed))
    if forwarded:
        lines.append("Forwarded: " + ", ".join(f"for={node}{url}" for node, url in forwarded))
    fields = told(*lines)
    chain = [address_of(hop) for hop in fields["X-Forwarded-For"].split(", ") if hop.strip()]
    said = elements([fields["Forwarded"].encode()])
    assert [hop.address for hop in said] == chain
    assert chain[-1] == "10.0.0.1"
    proto, host = fields["X-Forwarded-Proto"].encode(), fields["X-Forwarded-Host"].encode()
    assert said[-1] == Hop("10.0.0.1", proto, host)
    assert {hop.proto for hop in said} <= {None, proto}
    assert {hop.host for hop in said} <= {None, host}
    assert known(*lines).client in {None, *chain}


def address_of(hop: str) -> str | None:
    """The address in a member of X-Forwarded-For."""
    hop = hop.removesuffix(":80").strip("[]") if "." in hop or "]" in hop else hop
    try:
        ip = ipaddress.ip_address(hop)
    except ValueError:
        return None
    return str(getattr(ip, "ipv4_mapped", None) or ip)


@pytest.mark.parametrize("path", ["/", "/api", "/a/b", "/a/b/", "/v1.0/caf%C3%A9", "/a...b/..c"])
def test_the_prefix_of_a_trusted_proxy_is_passed_on(path: str) -> None:
    """An API builds its URLs with it."""
    assert told(f"X-Forwarded-Prefix: {path}")["X-Forwarded-Prefix"] == path


@pytest.mark.parametrize(
    "path",
    [
        *("", "api", "//evil.example", "/a//b", "/..", "/a/../b", "/a/.", "/a/%2e%2e", "/a%2Fb"),
        *("/a?b", "/a#b", "/a b", "/a\\b", "/a%5cb", "/a%", "/a%zz", "/a%250", "/a;b", "/a, /b"),
        *("/a\x80", "/a%00", "/a%0d%0a", "/a\r\nX-Forwarded-Prefix: /b", "http://evil/"),
    ],
)
def test_a_prefix_that_is_not_one_plain_path_is_dropped(path: str) -> None:
    """So is one that came twice."""
    block = f"X-Forwarded-Prefix: {path}\r\n\r\n".encode("latin-1")
    assert b"Prefix" not in forwarding(RequestFields(block), PROXY, bool).lines


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
def test_a_chain_of_more_than_100_hops_is_malformed(name: str) -> None:
    """It would take milliseconds to read. From a client nothing of it is read."""
    hop = "for=1.2.3.4" if name == "Forwarded" else "1.2.3.4"
    assert known(f"{name}: " + ",".join([hop] * 100)).client == "1.2.3.4"
    with pytest.raises(Malformed):
        known(*[f"{name}: " + ",".join([hop] * 60)] * 2)
    known(f"{name}: " + ",".join([hop] * 200), peer=Peer("1.2.3.4", "http", False))


def test_the_scheme_of_a_trusted_proxy_is_read_in_any_case() -> None:
    """As schemes are (RFC 3986 section 3.1)."""
    block = b"Host: h\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: HTTPS\r\n\r\n"
    made = forwarding(RequestFields(block), Peer("10.0.0.1", "http", True), lambda _: False)
    assert made.scheme == b"https"


def test_a_forwarded_that_is_longer_than_any_chain_makes_it_is_dropped() -> None:
    """Empty parameters are legal, but tens of thousands of them take milliseconds."""
    assert elements([b"for=192.0.2.1" + b";" * (MAX_FORWARDED - 13)]) != []
    assert elements([b"for=192.0.2.1" + b";" * MAX_FORWARDED]) == []
    assert elements([b"for=192.0.2.1", b";" * MAX_FORWARDED]) == []
