"""The path that an upstream gets for a path that was judged."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from proxy.domain.prefix import Prefix
from proxy.domain.readings import readings
from proxy.http1.faults import Malformed
from proxy.http1.grammar import parse_target

segment = st.text("aZ09._~!$&'()*+,=:@-", min_size=1, max_size=4).filter(
    lambda text: text.strip(".") != ""
)
fixed = st.lists(segment, max_size=3).map(lambda each: "".join("/" + one for one in each).encode())
PIECES = (
    rb"x / .x . .. %2e %2F %2f %252F %61 %C3%A9 %EF%BC%8F %E2%81%84 %C2%A5 %CC%81 ; v=1 : @ %25"
)
rests = st.lists(st.sampled_from(PIECES.split()), max_size=8).map(b"".join)


@pytest.mark.parametrize(
    ("strip", "add", "path", "expected"),
    [
        (b"/v1", b"", b"/v1/x", b"/x"),
        (b"/v1", b"", b"/v1/x/", b"/x/"),
        (b"/v1", b"", b"/v1/", b"/"),
        (b"/v1", b"", b"/v1", b"/"),
        (b"", b"/api", b"/x", b"/api/x"),
        (b"", b"/api", b"/", b"/api/"),
        (b"/v1", b"/api/v2", b"/v1/%2Fx;y/%61", b"/api/v2/%2Fx;y/%61"),
        (b"/v1", b"/api", b"/v1", b"/api"),
        (b"/v1", b"", b"/v1/v1/x", b"/v1/x"),
    ],
)
def test_a_prefix_is_taken_away_and_another_one_is_put_there(
    strip: bytes, add: bytes, path: bytes, expected: bytes
) -> None:
    """Once; a path is never empty."""
    assert Prefix(strip, add).outbound(path) == expected


@given(strip=fixed, add=fixed, rest=rests)
@example(strip=b"/a", add=b"", rest=b"/..%2f")
@example(strip=b"/a", add=b"/b", rest=b"/%2F%2e%2e%2Fc")
def test_what_stands_behind_the_prefix_is_what_was_judged(
    strip: bytes, add: bytes, rest: bytes
) -> None:
    """Byte by byte, and in every way in which some upstream may read it: each reading of the one
    path is a reading of the other, but for the prefix. So none climbs to a parent where the other
    does not, nor has another number of segments."""
    path = strip + b"/" + rest
    try:
        parse_target(path)
    except Malformed:
        assume(False)
    prefix = Prefix(strip, add)
    sent = prefix.outbound(path)
    assert sent == add + path[len(strip) :]
    before, after = strip.decode().lower(), add.decode().lower()
    judged = {reading.removeprefix(before) for reading in readings(path.decode())}
    assert {reading.removeprefix(after) for reading in readings(sent.decode())} == judged
    if prefix.is_clear(path):
        assert not any(reading.startswith("//") for reading in readings(sent.decode()))


@pytest.mark.parametrize(
    ("path", "clear"),
    [
        (b"/a/x", True),
        (b"/a", True),
        (b"/a/x%2F%2Fy", True),
        (b"/a/;x", True),
        (b"/a/%2Fevil/x", False),
        (b"/a/%2fevil/x", False),
        (b"/a/%252Fevil", False),
        (b"/a/%EF%BC%8Fevil", False),
        (b"/a/%E2%81%84evil", False),
        (b"/a/;/evil", False),
        (b"/a/;v=1/evil", False),
    ],
)
def test_a_path_that_might_begin_with_a_host_s_name_is_not_clear(path: bytes, clear: bool) -> None:
    """Where nothing stands before it any more."""
    assert Prefix(b"/a").is_clear(path) is clear
    assert Prefix(b"/a", b"/b").is_clear(path)


@given(strip=fixed, add=fixed, rest=st.sampled_from([b"", b"/", b"/x", b"/x/y%2F"]))
def test_a_path_of_the_upstream_leads_back_to_the_one_at_the_gateway(
    strip: bytes, add: bytes, rest: bytes
) -> None:
    """Whatever lies outside of what the route leads to has none."""
    prefix = Prefix(strip, add)
    assume(strip + rest)
    assert prefix.inbound(add + rest) == strip + rest
    assert prefix.outbound(strip + rest) == (add + rest or b"/")
    if add:
        assert prefix.inbound(add + b"x" + rest) is None
        assert prefix.inbound(b"/elsewhere" + rest) is None
