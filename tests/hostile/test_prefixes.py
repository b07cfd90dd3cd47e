"""Hostile paths on routes that change the beginning of the path: none reaches another path than the
one that was judged."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.harness import World, running_world, status
from tests.hostile import targets

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL = ["%2F", "%25", ";", "[", "]", "|", "^", "{", "}", '"']


class Changed(NamedTuple):
    """A route that changes paths."""

    path: str
    strip: str | None
    add: str | None

    @property
    def beginning(self) -> bytes:
        """A path that it matches, in the environment `a` if it has one."""
        return self.path.removesuffix("/**").replace("{environment}", "a").encode()

    def sent(self, path: bytes) -> bytes:
        """What the upstream gets, in other words than those of the gateway."""
        rest = path.decode().removeprefix(self.strip or "")
        return ((self.add or "") + rest).encode() or b"/"


CHANGED = [
    Changed("/bare/**", "/bare", None),
    Changed("/swapped/v1/**", "/swapped", "/api"),
    Changed("/added/**", None, "/inner/x"),
    Changed("/e/{environment}/**", "/e", "/tenants"),
    Changed("/exact/ping", "/exact", None),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One gateway for all tests of this file. All characters are allowed."""
    routes = [
        {"path": each.path, "allow": ALL if each.path.endswith("/**") else []}
        | ({"strip_prefix": each.strip} if each.strip else {})
        | ({"add_prefix": each.add} if each.add else {})
        | ({} if "{environment}" in each.path else {"access": "admin"})
        for each in CHANGED
    ]
    async with running_world(tmp_path_factory.mktemp("world"), routes=routes) as here:
        yield here


@pytest.fixture
def world(running: World) -> World:
    """The gateway, as if it had just started."""
    running.renew()
    return running


async def judged(world: World, route: Changed, target: bytes) -> None:
    """Send a request, and see that the upstream gets what it should, or nothing."""
    world.upstream.forget()
    answer = await world.send(world.request(target, pair=world.admin))
    path, mark, query = target.partition(b"?")
    if status(answer) != 200:
        environment = re.match(rb"/e/([^/]*)", path)
        other = environment is not None and environment[1] != b"a"
        assert status(answer) in ({400, 403, 404} if other else {400, 403})
        assert world.upstream.seen == b""
        return
    line = world.upstream.seen.partition(b"\r\n")[0]
    assert line == b"GET " + route.sent(path) + mark + query + b" HTTP/1.1"
    assert world.log()[-1]["path"] == path.decode()
    sent = line.split(b" ")[1].partition(b"?")[0]
    within = (route.add or "").encode()
    for _ in range(4):  # an upstream that decodes again and again, and cleans up after each time
        assert cleaned(sent).startswith(within)
        assert not sent.startswith(b"//") or within
        sent = unquote(sent.decode("latin-1"), "latin-1").encode("latin-1")


def cleaned(path: bytes) -> bytes:
    """A path as a server reads it that drops parameters, and follows dots and backslashes."""
    kept: list[bytes] = []
    for segment in re.sub(rb";[^/]*", b"", path).replace(b"\\", b"/").split(b"/"):
        if segment == b"..":
            kept = kept[:-1]
        elif segment not in {b"", b"."}:
            kept.append(segment)
    return b"/" + b"/".join(kept)


TABLE = b" ".join(
    (targets.DOTS, targets.SEPARATORS, targets.BYTES, targets.ENVIRONMENTS, targets.SPELLINGS)
).split()


@pytest.mark.parametrize("route", CHANGED, ids=lambda route: route.path)
async def test_each_path_of_the_table_arrives_with_another_beginning_or_not_at_all(
    world: World, route: Changed
) -> None:
    """The table of paths that some upstream would read in another way, on each route."""
    for path in TABLE:
        for usual in (b"/v1/projects/a", b"/v1/projects"):
            if path.startswith(usual):
                await judged(world, route, route.beginning + path.removeprefix(usual))
        await judged(world, route, route.beginning + path)


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        (b"/bare", b"/"),
        (b"/bare/", b"/"),
        (b"/bare/bare/x", b"/bare/x"),
        (b"/bare/x%2Fy%2f%2fz", b"/x%2Fy%2f%2fz"),
        (b"/bare/x/%2Fy", b"/x/%2Fy"),
        (b"/bare/%61%C3%A9/a;b=c?//x/..%2f", b"/%61%C3%A9/a;b=c?//x/..%2f"),
        (b"/swapped/v1", b"/api/v1"),
        (b"/swapped/v1/%2Fx", b"/api/v1/%2Fx"),
        (b"/added/x", b"/inner/x/added/x"),
        (b"/e/a/%2Fx", b"/tenants/a/%2Fx"),
        (b"/exact/ping", b"/ping"),
    ],
)
async def test_a_path_that_is_read_in_one_way_arrives_with_another_beginning(
    world: World, path: bytes, sent: bytes
) -> None:
    """With what its route allows."""
    assert status(await world.send(world.request(path, pair=world.admin))) == 200
    assert world.upstream.seen.startswith(b"GET " + sent + b" HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "path",
    [
        b"/bare/%2F",
        b"/bare/%2Fevil.example/x",
        b"/bare/%2fevil.example",
        b"/bare/%252Fevil.example",
        b"/bare/%25252Fevil.example",
        b"/bare/;/evil.example",
        b"/bare/;x=1/evil.example",
        b"/bare/%3B/evil.example",
        b"/bare/%EF%BC%8Fevil.example",
        b"/bare/%E2%88%95evil.example",
        b"/bare//evil.example",
        b"/bare//",
        b"/bare/..%2F",
        b"/bare/..%2fswapped",
        b"/bare/%2e%2e%2fx",
        b"/bare/%2F..%2Fx",
        b"/bare%2Fx",
        b"/bare%2f..%2fx",
        b"/Bare/x",
        b"/b%61re/x",
        b"/bare;x/y",
        b"/bare./x",
        b"/exact/ping/",
        b"/exact/ping.json",
        b"/exact/ping%2Fx",
        b"/swapped/v1%2F..%2Fx",
        b"/e/a%2Fx/y",
        b"/e/%61/x",
    ],
)
async def test_a_path_of_which_the_rest_might_be_read_otherwise_is_refused(
    world: World, path: bytes
) -> None:
    """As a host, as a parent, or as the path of another route."""
    assert status(await world.send(world.request(path, pair=world.admin))) in {400, 403}
    assert world.upstream.seen == b""


ODD = rb"x / .. . %2e %2F %2f %252F %61 %C3%A9 %EF%BC%8F %E2%81%84 %C2%A5 %zz ; ? # ~ : @ %25 [ |"


@given(
    route=st.sampled_from(CHANGED),
    rest=st.lists(st.sampled_from(ODD.split()), max_size=7).map(b"".join),
    slash=st.booleans(),
)
@example(route=CHANGED[0], rest=b"", slash=False)
@example(route=CHANGED[0], rest=b"?x=/bare", slash=False)
@example(route=CHANGED[1], rest=b"%2F%2Fx", slash=True)
@example(route=CHANGED[3], rest=b"x", slash=False)
@settings(
    max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
async def test_the_bytes_behind_the_prefix_are_those_that_were_judged(
    world: World, route: Changed, rest: bytes, slash: bool
) -> None:
    """The path that the upstream gets is `add_prefix` and the judged path without `strip_prefix`,
    byte by byte, and the query is as it was."""
    await judged(world, route, route.beginning + b"/" * slash + rest)


async def test_a_second_path_does_not_pass_where_paths_change(tmp_path: Path) -> None:
    """It would reach the upstream as it came, and name another path there."""
    routes = [
        {"path": "/dav/**", "strip_prefix": "/dav", "methods": "*", "access": "any"},
        {"path": "/plain/**", "methods": "*", "access": "any"},
    ]
    async with running_world(tmp_path, routes=routes) as world:
        for path, expected in ((b"/dav/x", 400), (b"/plain/x", 200)):
            lines = (b"Destination: " + path + b"y",)
            answer = await world.send(world.request(path, *lines, method=b"COPY"))
            assert status(answer) == expected
        assert world.log()[0]["reason"] == "destination"
        answer = await world.send(world.request(b"/dav/x", method=b"DELETE"))
        assert status(answer) == 200
        assert len(world.upstream.requests) == 2
