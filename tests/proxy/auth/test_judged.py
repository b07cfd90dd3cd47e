"""A request that takes another path than the one before it gets the verdict of a first request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.authorization import Verdict
from proxy.domain.limits import parse_limits
from proxy.domain.model import Membership, Permit, Role, State
from proxy.domain.settings import ACCESS_CONTROL
from proxy.gateway.memo import Memo
from proxy.http1.fields import RequestFields
from proxy.http1.forwarding import Peer
from proxy.http1.grammar import request_line
from proxy.http1.head import Head
from tests.harness import Pair, World, new_key, running_world

ROUTES = [
    {"path": "/v1/projects/{environment}/**", "upgrades": ["websocket"]},
    {"path": "/v2/projects/{environment}/**", "enforce_limits": False},
    {"path": "/v3/projects/{environment}/**", "strip_prefix": "/v3", "add_prefix": "/v1"},
    {"path": "/things/**", "methods": ["GET", "POST"], "access": "any", "cors": {"origins": ["*"]}},
    {"path": "/admin/**", "access": "admin"},
    {"path": "/files/**", "methods": ["GET", "COPY"], "access": "any"},
    {"path": "/public/**", "access": "public"},
]
METHODS = (b"GET", b"HEAD", b"POST", b"OPTIONS", b"COPY")
PATHS = (
    b"/v1/projects/a/x",
    b"/v1/projects/a/deep/y",
    b"/v1/projects/b/x",
    b"/v1/projects/none/x",
    b"/v2/projects/a/x",
    b"/v3/projects/a/x",
    b"/things/1",
    b"/things/2",
    b"/admin/x",
    b"/files/1",
    b"/files/2",
    b"/public/1",
    b"/public/2",
    b"/elsewhere",
)
LINES = [b"%b %b HTTP/1.1" % each for each in product(METHODS, PATHS)]
LINES += [b"GET /v1/projects/a/x HTTP/1.0", b"GET /v1/projects/b/x HTTP/1.0"]
LIMITS: dict[str, dict[str, Any]] = {
    "none": {},
    "scopes": {"scopes": ["GET /v1/projects/{environment}/x", "* /things/1"]},
    "scopes of no effect": {"scopes": ["GET /v1/projects/{environment}/x"], "enforce": False},
    "rate and quota": {"rate": "1000000/s", "quota": "1000000000/day"},
    "networks": {"networks": ["192.0.2.0/24"]},
    "window": {"window": "00:00-24:00"},
}
WITH_KEY = {
    "nothing": b"",
    "an upgrade": b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    "a second path": b"Destination: http://h/files/3\r\n",
}
WITHOUT_KEY = {
    "nothing": b"",
    "a preflight": b"Origin: http://a.example\r\nAccess-Control-Request-Method: GET\r\n",
    "credentials wanted": b"X-Enforce-Authentication: true\r\n",
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway with these routes, at which a user reads one environment, and writes in another."""
    async with running_world(tmp_path, routes=ROUTES) as here:
        await here.put(Membership(2, 2, 4, Role.READONLY, 0))
        yield here


def request(world: World, line: bytes, fields: RequestFields, last: Memo | None = None) -> Memo:
    """A request with these fields, on the connection of `last`."""
    head = Head(line, request_line(line), fields)
    return Memo(head, Peer("192.0.2.1", "http", trusted=False), world.node.gateway.runtime, last)


def decided(world: World, memo: Memo) -> Verdict:
    """The verdict on a request whose key is known, and verified."""
    verdict = world.node.gateway.runtime.decider.decide(memo.access)
    assert verdict is not None
    if isinstance(verdict.permit, Permit):
        memo.permit(verdict, verdict.permit)
    return verdict


async def callers(world: World, limits: dict[str, Any]) -> list[Pair]:
    """An account's key and an environment's, both with these limits; their secrets are verified."""
    made = [
        new_key(world.store, 20, account_id=2, limits=parse_limits(limits)),
        new_key(world.store, 21, environment_id=3, limits=parse_limits(limits)),
    ]
    for pair in made:
        await world.put(pair.key)
        for line in LINES:
            access = request(world, line, fields_of(pair)).access
            await world.node.gateway.runtime.decider.decide_loading(access)
    return made


def fields_of(pair: Pair) -> RequestFields:
    """Fields with the credentials of `pair`."""
    return RequestFields(b"Host: h\r\n" + pair.basic + b"\r\n")


def used_again(world: World, lines: bytes) -> int:
    """How often a verdict is used again for a request with these field lines: each path is judged
    behind each other one, and alone."""
    again = 0
    fields = RequestFields(b"Host: h\r\n%b\r\n" % lines, world.node.gateway.runtime.fields)
    for first, second in product(LINES, repeat=2):
        before = request(world, first, fields)
        verdict = decided(world, before)
        found = decided(world, request(world, second, fields, before))
        assert found == decided(world, request(world, second, fields))
        again += found is verdict and first != second
    return again


def verdicts(world: World, lines: bytes) -> list[Verdict]:
    """Those on all paths, each alone."""
    fields = RequestFields(b"Host: h\r\n%b\r\n" % lines, world.node.gateway.runtime.fields)
    return [decided(world, request(world, line, fields)) for line in LINES]


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("more", WITH_KEY)
async def test_each_path_behind_each_other_one(world: World, limits: str, more: str) -> None:
    """Whatever the methods, the limits, the routes and the fields are."""
    for pair in await callers(world, LIMITS[limits]):
        lines = pair.basic + WITH_KEY[more]
        again = used_again(world, lines)
        assert (again > 0) == ("scopes" not in limits), "where scopes count, each path does"
        if more == "a second path":
            assert verdicts(world, lines) != verdicts(world, pair.basic)


@pytest.mark.parametrize("control", ["on", "off"])
async def test_each_path_behind_each_other_one_without_a_key(world: World, control: str) -> None:
    """Where access control is off, a client may ask for it; and a page asks before it sends."""
    async with world.store.write() as change:
        await change.put_setting(ACCESS_CONTROL, control)
    await callers(world, {})  # loads what is looked at
    for lines in WITHOUT_KEY.values():
        used_again(world, lines)
    nothing, preflight, wanted = (verdicts(world, lines) for lines in WITHOUT_KEY.values())
    assert preflight != nothing
    assert (wanted != nothing) == (control == "off")


async def test_a_change_counts_for_the_next_path(world: World) -> None:
    """The verdict on the path before is then of other records."""
    (pair, _) = await callers(world, {})
    fields = fields_of(pair)
    before = request(world, b"GET /things/1 HTTP/1.1", fields)
    assert isinstance(decided(world, before).permit, Permit)
    await world.put(replace(pair.key, state=State.INACTIVE))
    after = request(world, b"GET /things/2 HTTP/1.1", fields, before)
    verdict = await world.node.gateway.runtime.decider.decide_loading(after.access)
    assert not isinstance(verdict.permit, Permit)


async def test_a_key_that_expires_while_it_is_judged_does_not_work_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock may reach the moment between two looks at it."""
    (pair, _) = await callers(world, {})
    now = world.node.authenticator.clock()
    await world.put(replace(pair.key, expires=now + 10_000))
    fields = fields_of(pair)
    await world.node.gateway.runtime.decider.decide_loading(request(world, LINES[0], fields).access)
    for looks in range(1, 6):
        times = iter([now] * looks)
        monkeypatch.setattr(
            world.node.authenticator, "clock", lambda times=times: next(times, now + 10_000)
        )
        verdict = decided(world, request(world, LINES[0], fields))
        assert not isinstance(verdict.permit, Permit) or verdict.until == now + 10_000


async def test_what_is_kept_of_a_connection_does_not_grow_with_its_requests(world: World) -> None:
    """No request refers to the one before it."""
    (pair, _) = await callers(world, {})
    fields = fields_of(pair)
    memo = request(world, b"GET /things/0 HTTP/1.1", fields)
    decided(world, memo)
    for number in range(3):
        memo = request(world, b"GET /things/%d HTTP/1.1" % number, fields, memo)
        decided(world, memo)
        assert memo.access.last is not None
        assert not hasattr(memo.access.last, "last")
        assert memo.access.last.routed is not memo.access.routed
