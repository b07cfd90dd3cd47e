"""Properties of every request, tried on random ones; the tables have those that are known."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.garden.mutants import Mutator
from tests.harness import World, dechunk, status
from tests.hostile.heads import IDENTITY

pytestmark = pytest.mark.asyncio(loop_scope="module")
ENOUGH = b"x" * 20_000
"""More bytes than any body of a mutant lacks. They are no request line."""
ONE_GATEWAY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

# --- requests ---

ODD = rb"x / .. . %2e %2F %61 %C3%A9 %zz ; ? # b %00 ~ v1 : @ %25 ' =& %20 |"
pieces = st.sampled_from([*ODD.split(), b" ", b"\t", b"\\", b"\xff"])
bits = st.sampled_from([*b' \ta\xff,";\x00\r\n:\x7f']).map(lambda byte: bytes((byte,)))
values = st.lists(bits, max_size=4).map(b"".join).filter(lambda value: b"\r\n" not in value)
names = st.sampled_from(
    [b"X-One", b"x_two", b"X.Three", b"!#$%&'*+-.^_`|~", b"Cookie", b"x one", b"X:"]
)


@given(
    path=st.lists(pieces, max_size=6).map(b"".join),
    fields=st.lists(st.tuples(names, values).map(b":".join), max_size=4),
    body=st.binary(max_size=40),
)
@settings(max_examples=150, suppress_health_check=ONE_GATEWAY, deadline=None)
async def test_the_bytes_that_were_judged_are_the_bytes_that_are_sent(
    world: World, path: bytes, fields: list[bytes], body: bytes
) -> None:
    """Request line, fields and body arrive as they were sent, or nothing does."""
    world.upstream.forget()
    target = b"/v1/projects/a/" + path
    length = b"Content-Length: %d" % len(body)
    answer = await world.send(world.request(target, *fields, length, method=b"POST") + body)
    assert answer.count(b"HTTP/1.1 ") == 1
    if status(answer) != 200:
        assert status(answer) == 400
        assert world.upstream.seen == b""
        return
    head, _, arrived = world.upstream.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST " + target + b" HTTP/1.1"
    assert lines[2 : 3 + len(fields)] == [*fields, length]
    assert arrived == body
    assert world.upstream.seen == world.upstream.requests[0]


@dataclass(frozen=True)
class Asked:
    """A request of a pipeline, its status, and whether the gateway then closes the connection."""

    target: bytes
    lines: bytes
    body: bytes
    status: int
    last: bool = False


SMUGGLED = b"GET /v1/projects/b/x HTTP/1.1\r\n\r\n"
asked = st.sampled_from(
    [
        Asked(b"/v1/projects/a/x", b"", b"", 200),
        Asked(b"/v1/projects/a/y", b"Content-Length: 5\r\n", b"hello", 200),
        Asked(b"/v1/projects/a/z", b"Transfer-Encoding: chunked\r\n", b"1\r\nG\r\n0\r\n\r\n", 200),
        Asked(b"/v1/projects/a/c", b"Content-Length: 33\r\n", SMUGGLED, 200),
        Asked(b"/v1/projects/b/x", b"", b"", 403),
        Asked(b"/v1/projects/b/x", b"Content-Length: 5\r\n", b"hello", 403),
        Asked(b"/v1/projects/b/x", b"Content-Length: 33\r\n", SMUGGLED, 403),
        Asked(b"/v1/projects/b/x", b"Transfer-Encoding: chunked\r\n", b"1\r\nG\r\n0\r\n\r\n", 403),
        Asked(b"/v1/projects/a/..", b"", b"", 400, last=True),
        Asked(b"/v1/projects/a/x", b"X : y\r\n", b"", 400, last=True),
        Asked(b"/v1/projects/a/x", b"Transfer-Encoding: x\r\n", b"", 400, last=True),
        Asked(b"/v1/projects/a/x", b"Connection: close\r\n", b"", 200, last=True),
    ]
)  # fmt: skip


@given(pipeline=st.lists(asked, min_size=1, max_size=8))
@settings(max_examples=100, suppress_health_check=ONE_GATEWAY, deadline=None)
async def test_as_many_requests_go_upstream_as_were_accepted(
    world: World, pipeline: list[Asked]
) -> None:
    """In the order in which they came, up to the first after which the gateway closes the
    connection, whatever their bodies contain."""
    world.upstream.forget()
    raw = b""
    for one in pipeline:
        raw += b"POST %b HTTP/1.1\r\nHost: h\r\n" % one.target
        raw += world.key_a.basic + one.lines + b"\r\n" + one.body
    raw += world.request(b"/v1/projects/a/end")
    served = [*itertools.takewhile(lambda one: not one.last, pipeline)]
    rest = pipeline[len(served) :]
    served += rest[:1] or [Asked(b"/v1/projects/a/end", b"", b"", 200)]
    answer = await world.send(raw)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"%d" % one.status for one in served]
    accepted = [one.target for one in served if one.status == 200]
    assert [request.split(b" ")[1] for request in world.upstream.requests] == accepted
    assert world.upstream.seen == b"".join(world.upstream.requests)


CHANGING = {
    b"Authorization": [b"Basic a", b"Basic b", b"Basic bm9ib2R5Om5v", b"Basic", b"x"],
    b"X-Request-Id": [b"a", b"b", b"a b"],
    b"X-One": [b"", b"%b", b"\xff", b"\0", b"x" * 9000],
    b"Connection": [b"keep-alive", b"x-one", b"x-two"],
    b"X-Two": [b"1", b"2", b"3"],
    b"Accept": [b"*/*", b"application/problem+json"],
    b"Content-Length": [b"0", b"00", b"x"],
    b"User-Agent": [b"one", b"two"],
}
some = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in CHANGING.items()}
)
A = b"/v1/projects/a/x"
targets = st.sampled_from([A, b"/v1/projects/a/y", b"/v1/projects/b/x"])


@example(first={}, changes=[(A, {b"X-One": value}) for value in (b"1", b"2", b"x" * 9000)])
@given(first=some, changes=st.lists(st.tuples(targets, some), min_size=2, max_size=6))
@settings(max_examples=150, suppress_health_check=ONE_GATEWAY, deadline=None)
async def test_a_request_is_judged_as_if_it_were_the_first_on_its_connection(
    world: World, first: dict[bytes, bytes], changes: list[tuple[bytes, dict[bytes, bytes]]]
) -> None:
    """However similar it is to the requests before it."""
    requests = []
    fields = first
    for target, change in changes:
        fields = fields | change
        raw = b"".join(b"%b: %b\r\n" % field for field in fields.items())
        for name, pair in ((b"Basic a\r\n", world.key_a), (b"Basic b\r\n", world.key_b)):
            raw = raw.replace(b"Authorization: " + name, pair.basic)
        requests.append(b"GET %b HTTP/1.1\r\nHost: h\r\n%b\r\n" % (target, raw))
    alone = [await exchanged(world, [request]) for request in requests]
    answers, sent = await exchanged(world, requests)
    served = [*itertools.takewhile(lambda own: own[0][0] not in ENDING, alone)]
    served += alone[len(served) :][:1]
    assert answers == [answer for own, _ in served for answer in own]
    assert sent == [request for _, own in served for request in own]


ENDING = {b"400", b"431"}


async def exchanged(world: World, requests: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The statuses that a client gets, and the requests that the upstream gets, as `plain`."""
    world.upstream.forget()
    world.inside.forget_guesses()
    answer = await world.send(*requests, shut=True)
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", answer)
    return statuses, plain(world.upstream.requests)


def plain(requests: list[bytes]) -> list[bytes]:
    """Requests without what differs from run to run: their ids, and how bodies are chunked."""
    found = []
    for request in requests:
        head, _, body = request.partition(b"\r\n\r\n")
        head = re.sub(rb"\r\nX-Request-Id: [^\r]*", b"", head)
        found.append(
            head + b"|" + (dechunk(body) if b"\r\nTransfer-Encoding: chunked\r\n" in head else body)
        )
    return found


@given(seed=st.integers(0, 1 << 32), data=st.data())
@settings(max_examples=100, suppress_health_check=ONE_GATEWAY, deadline=None)
async def test_splitting_a_request_changes_neither_its_answer_nor_what_goes_upstream(
    world: World, seed: int, data: st.DataObject
) -> None:
    """A mutant that is sent in pieces gets the same answers, and the upstream gets the same."""
    raw = Mutator(seed).mutant(world.key_a.basic).sent + ENOUGH
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=8)))
    parts = [raw[a:b] for a, b in itertools.pairwise([0, *cuts, len(raw)])]
    outcomes = []
    for sent in ([raw], parts):
        world.upstream.forget()
        answer = await world.send(*sent)
        answers = [code for code in re.findall(rb"HTTP/1\.1 (\d{3})", answer) if code != b"100"]
        outcomes.append((answers, plain(world.upstream.requests)))
    assert outcomes[0] == outcomes[1]


async def test_every_byte_boundary_of_a_request_gives_the_same_answer(world: World) -> None:
    """A request is split after each of its bytes in turn, not after random ones."""
    chunked = b"Transfer-Encoding: chunked"
    raw = (
        world.request(b"/v1/projects/a/x", chunked, method=b"POST")
        + b"5;x\r\nhello\r\n0\r\nX: y\r\n\r\n"
    )
    for cut in range(1, len(raw)):
        world.upstream.forget()
        assert status(await world.send(raw[:cut], raw[cut:])) == 200
        (request,) = world.upstream.requests
        assert dechunk(request.partition(b"\r\n\r\n")[2]) == b"hello"


def spell(name: bytes, mark: bytes, case: int) -> bytes:
    """A field name with its dashes replaced and its letters in another case."""
    name = name.replace(b"-", mark)
    return (name, name.lower(), name.upper(), name.swapcase())[case]


marks = st.sampled_from([*"-_.~!'+|^`#$%&*"]).map(str.encode)
forged = st.builds(spell, st.sampled_from(IDENTITY), marks, st.integers(0, 3))


@given(
    lines=st.lists(
        st.builds(
            bytes.__add__, forged, st.sampled_from([b": forged", b":forged", b": x, forged"])
        ),
        max_size=6,
    ),
    named=st.lists(forged | st.sampled_from([b"host", b"authorization", b"via"]), max_size=3),
)
@settings(max_examples=100, suppress_health_check=ONE_GATEWAY, deadline=None)
async def test_identity_is_exactly_ours_whatever_the_client_sends(
    world: World, lines: list[bytes], named: list[bytes]
) -> None:
    """With other marks than dashes, in any case, twice, or named in Connection: none arrives."""
    world.upstream.forget()
    connection = b"Connection: " + b", ".join([*named, b"close"])
    raw = world.request(b"/v1/projects/a/x", *lines, connection, close=False)
    assert status(await world.send(raw)) == 200
    (request,) = world.upstream.requests
    assert b"forged" not in request
    ours = [line for line in request.split(b"\r\n") if line.lower().startswith(b"x-wardgate")]
    assert ours == [
        b"X-Wardgate-Key: " + world.key_a.key.access_key.encode(),
        b"X-Wardgate-Environment: a",
        b"X-Wardgate-Role: owner",
    ]
    assert request.count(b"\r\nHost: 127.0.0.1:") == 1
    assert b"uthorization" not in request
