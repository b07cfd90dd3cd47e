"""Which servers of an answer are used, and when the name is looked up again."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.targets.discovery import (
    RETRY_MOST,
    Answer,
    Bounds,
    Discovered,
    Endpoint,
    Network,
    is_permitted,
    ranked,
    srv_weight,
)

ADDRESSES = st.ip_addresses().map(str)
ENDPOINTS = st.builds(
    Endpoint,
    st.one_of(ADDRESSES, st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1"])),
    st.sampled_from([80, 8080]),
    st.integers(0, 65535).map(srv_weight),
    st.integers(0, 65535),
)
BOUNDS = Bounds(2, 60)
ONE = Endpoint("10.0.0.1", 80)
TWO = Endpoint("10.0.0.2", 80)


def discovered(*endpoints: Endpoint, ttl: float = 30) -> Discovered:
    """What is known after one answer, at time 100."""
    known = Discovered(BOUNDS, 100)
    known.found(Answer(list(endpoints), ttl), 100)
    return known


@given(st.lists(ENDPOINTS, max_size=12).flatmap(st.permutations))
def test_the_order_of_an_answer_changes_nothing(found: list[Endpoint]) -> None:
    """DNS servers turn the records from answer to answer."""
    assert ranked(found) == ranked(reversed(found)) == ranked(sorted(found))


@given(st.lists(ENDPOINTS, min_size=1, max_size=40), st.integers(1, 20))
def test_each_server_is_there_once_and_the_best_priorities_come_first(
    found: list[Endpoint], most: int
) -> None:
    """Of the first so many, one that leaves lets another in, and moves none."""
    servers = ranked(found)
    places = [each[:2] for each in servers]
    assert len(places) == len(set(places))
    assert set(places) == {each[:2] for each in found}
    assert [each.priority for each in servers] == sorted(each.priority for each in servers)
    without = ranked([each for each in found if each[:2] != places[0]])
    assert set(servers[1:most]) <= set(without[:most])


@given(st.lists(ENDPOINTS, min_size=1, max_size=12))
def test_a_server_that_is_named_twice_has_both_weights_at_its_best_priority(
    found: list[Endpoint],
) -> None:
    """Two SRV records may lead to one address."""
    for each in ranked(found):
        same = [other for other in found if other[:2] == each[:2]]
        assert each.priority == min(other.priority for other in same)
        best = [other.weight for other in same if other.priority == each.priority]
        assert each.weight == sum(best)


def test_a_weight_of_zero_gets_next_to_nothing() -> None:
    """Where all have 0, all get the same (RFC 2782)."""
    assert [srv_weight(each) for each in (0, 1, 10, 65535)] == [1, 1, 10, 65535]


@pytest.mark.parametrize(
    ("address", "permitted"),
    [
        ("10.0.0.1", True),
        ("93.184.216.34", True),
        ("fd00::1", True),
        ("2001:db8::1", True),
        ("127.0.0.1", False),
        ("127.8.9.10", False),
        ("::1", False),
        ("169.254.169.254", False),
        ("fe80::1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("224.0.0.1", False),
        ("ff02::1", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("::127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_an_answer_leads_neither_to_this_machine_nor_to_its_link(
    address: str, permitted: bool
) -> None:
    """Unless networks permit it."""
    assert is_permitted(address, None) is permitted
    everything = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    assert is_permitted(address, everything)


def test_only_addresses_in_the_networks_are_permitted_where_there_are_some() -> None:
    """Of either family."""
    networks = [ip_network("10.0.0.0/8"), ip_network("fd01::/16")]
    assert is_permitted("10.1.2.3", networks)
    assert is_permitted("fd01::1", networks)
    assert not is_permitted("11.0.0.1", networks)
    assert not is_permitted("fd00::1", networks)


@pytest.mark.parametrize("networks", [None, [ip_network("::/0"), ip_network("0.0.0.0/0")]])
@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.1"])
def test_an_ipv4_address_within_an_ipv6_one_is_never_permitted(
    address: str, networks: list[Network] | None
) -> None:
    """It would lead to that address past a rule about it."""
    assert not is_permitted(f"::ffff:{address}", networks)


@given(st.floats(0, 2**31), st.floats(0, 10**6))
def test_an_answer_counts_for_its_ttl_within_bounds(ttl: float, now: float) -> None:
    """A TTL of 0 does not ask all the time, and one of a year still asks."""
    known = Discovered(BOUNDS, now)
    assert known.due < now
    known.found(Answer([ONE], ttl), now)
    assert known.due == now + min(max(ttl, BOUNDS.least), BOUNDS.most)


def test_an_answer_says_whether_other_servers_are_to_be_used() -> None:
    """Another weight or priority is a change too."""
    known = Discovered(BOUNDS, 100)
    assert known.found(Answer([ONE, TWO], 30), 100)
    assert not known.found(Answer([ONE, TWO], 30), 130)
    assert known.found(Answer([ONE, TWO._replace(weight=2)], 30), 160)
    assert known.found(Answer([ONE], 30), 190)
    assert known.endpoints == [ONE]


def test_a_failure_keeps_the_servers_and_says_since_when() -> None:
    """Until an answer comes."""
    known = discovered(ONE, TWO)
    known.failed("SERVFAIL", 130)
    known.failed("no answer", 140)
    assert (known.cause, known.since, known.endpoints) == ("no answer", 130, [ONE, TWO])
    assert not known.found(Answer([ONE, TWO], 30), 150)
    assert (known.cause, known.since, known.failures) == ("", 150, 0)
    known.found(Answer([ONE, TWO], 30), 180)
    assert known.since == 150


@given(st.integers(1, 100), st.floats(0.1, 40), st.floats(1, 300))
def test_after_a_failure_the_name_is_looked_up_soon_and_less_soon_each_time(
    count: int, least: float, more: float
) -> None:
    """Within the bounds of a TTL, and at least every half minute unless those say otherwise."""
    known = Discovered(Bounds(least, least + more), 0)
    waits = []
    for _ in range(count):
        known.failed("x", 0)
        waits.append(known.due)
    assert waits == sorted(waits)
    assert waits[0] == min(max(1, least), least + more)
    assert waits[-1] <= max(RETRY_MOST, least)


def test_a_later_configuration_begins_with_the_last_answer() -> None:
    """And asks at once, by its own bounds."""
    old = discovered(ONE)
    old.failed("SERVFAIL", 130)
    new = Discovered(Bounds(5, 5), 140)
    new.go_on_as(old)
    assert (new.endpoints, new.cause, new.since) == ([ONE], "SERVFAIL", 130)
    assert new.due < 140
    assert new.bounds == Bounds(5, 5)
