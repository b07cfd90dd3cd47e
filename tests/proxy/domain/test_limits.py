"""Limits: their JSON, what they admit, and that nobody makes a key wider than the own one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.limits import (
    NONE,
    BadLimit,
    Limits,
    limits_json,
    parse_limits,
    wider_parts,
)

FULL = {
    "rate": "100/s",
    "burst": 200,
    "quota": "10000/day",
    "networks": ["10.0.0.0/8", "2001:db8::/32"],
    "scopes": ["GET /v1/**", "POST /v1/things"],
    "window": "Mon-Fri 08:00-18:00",
    "enforce": False,
}
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "rate": st.sampled_from(["1/s", "60/min", "100/s", "6000/min"]),
    "quota": st.sampled_from(["10/day", "310/month", "5/month", "1000/day"]),
    "networks": st.lists(
        st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "::/0", "2001:db8::1/128"]),
        max_size=2,
    ),
    "scopes": st.lists(st.sampled_from(["GET /**", "* /v1/**", "GET /v1/things"]), max_size=2),
    "window": st.sampled_from(["08:00-18:00", "Mon 09:00-10:00", "22:00-06:00"]),
    "enforce": st.booleans(),
}
LIMITS = st.fixed_dictionaries({}, optional=PARTS).map(parse_limits)


def test_limits_are_written_as_they_are_read() -> None:
    """What does not limit is left out."""
    assert limits_json(parse_limits(FULL)) == FULL
    assert limits_json(NONE) == {}
    assert not NONE
    assert parse_limits({"rate": None, "networks": []}) == NONE


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rate": "fast"}, "rate should be a rate"),
        ({"rate": 5}, "rate should be a text"),
        ({"burst": 5}, "burst should be a number, beside a rate"),
        ({"rate": "1/s", "burst": 0}, "burst should have a burst of 1"),
        ({"rate": "1/s", "burst": True}, "burst should be a number"),
        ({"quota": "0/day"}, "quota should be a quota"),
        ({"networks": "10.0.0.0/8"}, "networks should be a list"),
        ({"networks": ["10.0.0.1/8"]}, "networks should be addresses or networks.*host bits"),
        ({"networks": ["10.0.0.0/8"] * 65}, "networks should have at most 64"),
        ({"networks": ["fe80::%eth0/64"]}, "networks should be networks without a zone"),
        ({"scopes": ["GET"]}, "scopes should be METHODS PATH"),
        ({"window": "always"}, "window should be hours"),
        ({"enforce": "no"}, "enforce should be true or false"),
        ({"ratelimit": "1/s"}, "ratelimit is not known"),
    ],
)
def test_what_is_malformed_is_named(given: dict[str, Any], message: str) -> None:
    """A limit that is misspelled would limit nothing."""
    with pytest.raises(BadLimit, match=message):
        parse_limits(given)


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("10.1.2.3", True),
        ("11.0.0.1", False),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("unix:", False),
        ("", False),
    ],
)
def test_a_client_is_admitted_from_the_networks_alone(address: str, admitted: bool) -> None:
    """An address within an IPv6 one that stands for IPv4 counts as IPv4."""
    assert parse_limits(FULL).admits(address) is admitted
    assert NONE.admits(address)


def test_networks_of_addresses_that_stand_for_ipv4_are_kept_as_ipv4() -> None:
    """Else no client could be in them."""
    limits = parse_limits({"networks": ["::ffff:10.0.0.0/104", "::ffff:192.0.2.1"]})
    assert limits_json(limits)["networks"] == ["10.0.0.0/8", "192.0.2.1/32"]
    assert limits.admits("10.9.9.9")


def test_a_network_may_be_within_several_that_lie_side_by_side() -> None:
    """Two halves are the whole."""
    halves = parse_limits({"networks": ["10.0.0.0/9", "10.128.0.0/9", "::/0"]})
    assert wider_parts(parse_limits({"networks": ["10.0.0.0/8"]}), halves) == []
    assert wider_parts(parse_limits({"networks": ["10.0.0.0/7"]}), halves) == ["networks"]


@given(LIMITS)
def test_limits_are_not_wider_than_themselves(limits: Limits) -> None:
    """Nor is anything wider than no limits, or none narrower than these."""
    assert wider_parts(limits, limits) == []
    assert wider_parts(limits, NONE) == []
    assert set(wider_parts(NONE, limits)) == limits_json(limits).keys() - {"burst", "enforce"}


@given(LIMITS, LIMITS, LIMITS)
def test_what_is_not_wider_stays_so_from_key_to_key(
    first: Limits, second: Limits, third: Limits
) -> None:
    """No chain of keys leads to a wider one."""
    if not wider_parts(second, first) and not wider_parts(third, second):
        assert wider_parts(third, first) == []
