"""How much Python a warm request runs: the number of calls has a budget, to be raised on purpose.

Time differs from machine to machine; calls do not. What a change adds to the byte path shows here
before it shows in a benchmark. Who makes the path shorter lowers the budget.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import pytest

import tests.memory
from proxy.auth.access_request import AccessRequest
from proxy.domain.limits import parse_limits
from proxy.domain.usage import DAY
from proxy.gateway.downstream import Downstream
from proxy.gateway.forward_auth import ForwardAuthConnection
from proxy.gateway.upstream import UpstreamConnection
from tests.asking import asked
from tests.harness import World, alter, running_world
from tests.memory import Memory
from tests.patience import PATIENCE
from tests.proxy.gateway.conversation import without_repeats

OURS = {__file__, tests.memory.__file__}


class Calls(NamedTuple):
    """Calls of Python functions, and of C functions from Python."""

    python: int
    c: int


REPEATED = Calls(python=11, c=9)
"""The head is that of the request before, and the answer's that of the answer before."""
FRESH = Calls(python=16, c=27)
"""One field differs from the request before, and one from the answer before."""
ELSEWHERE = Calls(python=66, c=48)
"""The path is another than that of the request before: it is parsed and routed anew."""
EXCHANGED = Calls(python=28, c=17)
"""As REPEATED, where each request has an exchange: the next one cannot be a repeated one."""
RATED = Calls(python=17, c=14)
"""As REPEATED, with a key that has a rate: 6 and 5 more."""
QUOTED = Calls(python=19, c=15)
"""As REPEATED, with a key that has a quota: 8 and 6 more."""
CHANGED = REPEATED
"""On a route with a prefix and with rules about fields."""

REFUSED = Calls(python=34, c=56)
"""Forged credentials, on a connection whose last request differed in nothing but those."""

ASKED_ABOUT = Calls(python=22, c=8)
"""A question to the forward-auth listener, whose head is that of the question before."""


class Line:
    """A client and an upstream on either side of a gateway, without sockets."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.client, self.upstream = Memory(), Memory()
        gateway = world.node.gateway
        self.downstream = Downstream(gateway)
        self.downstream.connection_made(self.client)
        pool = world.pool
        self.connection = UpstreamConnection(pool)
        self.connection.connection_made(self.upstream)
        pool.release(self.connection, pool.clock())

    def request(self, number: int, path: bytes = b"/v1/projects/a/x") -> bytes:
        """A browser's request of 14 fields."""
        lines = [b"X-Field-%d: a value as long as most are" % each for each in range(11)]
        return self.world.request(path, *lines, b"X-Number: %d" % number, close=False)

    def answer(self, number: int) -> bytes:
        """An answer with a body of 258 bytes."""
        head = b"HTTP/1.1 200 OK\r\nServer: api\r\nContent-Type: text/plain\r\nX-Number: %d\r\n"
        return head % number + b"Content-Length: 258\r\n\r\n" + b"x" * 258

    async def warm(self) -> None:
        """One request, for which the key is verified."""
        self.downstream.data_received(self.request(0))
        async with asyncio.timeout(PATIENCE):
            while not self.upstream.writes:  # noqa: ASYNC110 - an event's calls would be counted
                await asyncio.sleep(0)
        self.connection.data_received(self.answer(0))
        assert self.client.writes

    def carry(self, number: int, path: bytes = b"/v1/projects/a/x") -> Calls:
        """The calls of one warm request and its answer."""
        request, answer = self.request(number, path), self.answer(number)
        self.client.writes.clear()
        self.upstream.writes.clear()

        def exchange() -> None:
            self.downstream.data_received(request)
            self.connection.data_received(answer)

        calls = counted(exchange)
        assert len(self.upstream.writes) == 1
        assert b"".join(self.client.writes).endswith(b"\r\n\r\n" + b"x" * 258)
        assert not self.client.ended
        assert not self.upstream.ended
        return calls


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    """A line through a real gateway on a real store."""
    async with running_world(tmp_path) as running:
        line = Line(running)
        yield line
        line.downstream.connection_lost(None)


def counted(work: Callable[[], None]) -> Calls:
    """The calls that `work` makes, but for those of the tests."""
    counts = {"call": 0, "c_call": 0}

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event in counts and frame.f_code.co_filename not in OURS:
            counts[event] += 1

    gc.disable()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return Calls(counts["call"], counts["c_call"])


@pytest.mark.parametrize(
    ("numbers", "budget"), [((0,) * 12, REPEATED), (tuple(range(1, 20)), FRESH)]
)
async def test_a_warm_request_keeps_to_its_budget(
    line: Line, numbers: tuple[int, ...], budget: Calls
) -> None:
    """From the client's bytes to the upstream's, in one write, and back."""
    await line.warm()
    # The least of them: what differs is learned first, and the log works out the time now and then.
    calls = [line.carry(number) for number in numbers]
    python, c = (min(each) for each in zip(*calls, strict=True))
    assert python <= budget.python, f"{calls}: make it less than that, or raise it on purpose"
    assert c <= budget.c, f"{calls}: make it less than that, or raise it on purpose"


async def test_a_request_with_another_path_keeps_to_its_budget(line: Line) -> None:
    """What follows from its fields alone is taken over from the request before."""
    await line.warm()
    calls = [line.carry(0, b"/v1/projects/a/%d" % number) for number in range(12)]
    python, c = (min(each) for each in zip(*calls, strict=True))
    assert python <= ELSEWHERE.python, f"{calls}: make it less than that, or raise it on purpose"
    assert c <= ELSEWHERE.c, f"{calls}: make it less than that, or raise it on purpose"


async def test_an_exchange_keeps_to_its_budget(line: Line) -> None:
    """It is what each request has that is not a repeated one."""
    with without_repeats():
        await line.warm()
        calls = [line.carry(0) for _ in range(12)]
    python, c = (min(each) for each in zip(*calls, strict=True))
    assert python <= EXCHANGED.python, f"{calls}: make it less than that, or raise it on purpose"
    assert c <= EXCHANGED.c, f"{calls}: make it less than that, or raise it on purpose"


async def test_a_key_that_expires_soon_costs_no_more_calls(line: Line) -> None:
    """The field line in its answers is made once; keys that do not expire soon pay nothing."""
    gateway, key, least = line.world.node.gateway, line.world.key_a.key, list[int]()
    for notice, days in ((0, 5), (10, 20), (10, 5)):
        alter(gateway, runtime=replace(gateway.runtime, expiry_notice=notice * DAY))
        await line.world.put(replace(key, expires=gateway.wall + days * DAY))
        await line.warm()
        least.append(min(sum(line.carry(0)) for _ in range(12)))
    off, later, soon = least
    assert (later - off, soon - off) == (0, 0)


@pytest.mark.parametrize(
    ("limits", "budget"), [({"rate": "1000/s"}, RATED), ({"quota": "1000000/day"}, QUOTED)]
)
async def test_a_limit_that_counts_has_a_budget_of_its_own(
    line: Line, limits: dict[str, str], budget: Calls
) -> None:
    """On top of that of a warm request. Keys without limits pay nothing for it."""
    key = line.world.key_a.key
    await line.world.put(replace(key, limits=parse_limits(limits)))
    await line.warm()
    calls = [line.carry(0) for _ in range(12)]
    python, c = (min(each) for each in zip(*calls, strict=True))
    assert python <= budget.python, f"{calls}: make it less than that, or raise it on purpose"
    assert c <= budget.c, f"{calls}: make it less than that, or raise it on purpose"


async def test_a_route_that_changes_requests_and_answers_has_a_budget_of_its_own(
    tmp_path: Path,
) -> None:
    """Other routes pay nothing for it."""
    changes = {"add_prefix": "/api", "body_size": 1000, "idle_timeout": 100}
    rules = {"set": {"X-Frame-Options": "DENY"}, "remove": ["Server"]}
    route = {"path": "/v1/projects/{environment}/**", "response_headers": rules}
    async with running_world(tmp_path, routes=[route | changes]) as running:
        line = Line(running)
        await line.warm()
        calls = [line.carry(0) for _ in range(12)]
        line.downstream.connection_lost(None)
    python, c = (min(each) for each in zip(*calls, strict=True))
    assert python <= CHANGED.python, f"{calls}: make it less than that, or raise it on purpose"
    assert c <= CHANGED.c, f"{calls}: make it less than that, or raise it on purpose"


async def test_a_question_has_a_budget_of_its_own(tmp_path: Path) -> None:
    """Less than that of a request, whose answer has to be passed on besides."""
    forward_auth = {"listen": "127.0.0.1:0", "fields": "x-original"}
    async with running_world(tmp_path, forward_auth=forward_auth) as world:
        proxy, connection = Memory(), ForwardAuthConnection(world.node.gateway)
        connection.connection_made(proxy)
        question = asked("x-original", world.request(close=False))
        assert await world.node.gateway.runtime.decider.decide_loading(
            AccessRequest(
                "GET", b"/v1/projects/a/x", authorization=[world.key_a.basic[14:].strip()]
            )
        )
        calls = [counted(lambda: connection.data_received(question)) for _ in range(12)]
        assert [each[:15] for each in proxy.writes] == [b"HTTP/1.1 200 OK"] * 12
        connection.connection_lost(None)
    python, c = (min(each) for each in zip(*calls, strict=True))
    assert python <= ASKED_ABOUT.python, f"{calls}: make it less than that, or raise it on purpose"
    assert c <= ASKED_ABOUT.c, f"{calls}: make it less than that, or raise it on purpose"


def guess(access_key: bytes) -> bytes:
    """An Authorization field that somebody made up."""
    return b"Authorization: Basic " + base64.b64encode(access_key + b":guess") + b"\r\n"


async def test_a_refusal_has_a_budget_of_its_own(line: Line) -> None:
    """A flood of them, all with other credentials, should not cost much more than its bytes."""
    head = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: gateway\r\n%b\r\n"
    calls = []
    for number in range(12):
        data = head % guess(b"%020d" % number)
        line.client.writes.clear()
        calls.append(counted(lambda data=data: line.downstream.data_received(data)))  # type: ignore[misc]
        assert len(line.client.writes) == 1
        assert line.client.writes[0].startswith(b"HTTP/1.1 401 ")
    python, c = (min(each) for each in zip(*calls, strict=True))
    assert python <= REFUSED.python, f"{calls}: make it less than that, or raise it on purpose"
    assert c <= REFUSED.c, f"{calls}: make it less than that, or raise it on purpose"


ASKED = {
    "served": (b"a", None, 200),
    "forged": (b"a", b"nobody", 401),
    "busy": (b"a", b"imported", 503),
    "elsewhere": (b"b", None, 403),
    "nobody": (b"a", b"", 401),
}
"""Environment, made up access key (none: a good key), status."""


@pytest.mark.parametrize(("environment", "guessed", "status"), ASKED.values(), ids=ASKED)
async def test_a_request_leaves_nothing_for_the_collector(
    line: Line, monkeypatch: pytest.MonkeyPatch, environment: bytes, guessed: bytes, status: int
) -> None:
    """Whatever becomes of it: a flood that left cycles would have it look through them all, and
    everybody wait meanwhile."""
    await line.warm()
    if guessed == b"imported":
        key = line.world.key_a.key
        await line.world.put(replace(key, id=50, access_key="imported", sealed=False))
        monkeypatch.setattr("proxy.auth.authenticator.MAX_WAITING_UNSEALED", 0)
    credentials = line.world.key_a.basic if guessed is None else guess(guessed)
    await line.world.node.records.slugs.find("b")
    await line.world.node.records.environments.find(line.world.environment_b.id)
    head = b"GET /v1/projects/%b/x HTTP/1.1\r\nHost: gateway\r\nX-Number: %d\r\n%b\r\n"
    gc.collect()
    gc.disable()
    try:
        for number in range(20):
            line.client.writes.clear()
            line.downstream.data_received(head % (environment, number, credentials))
            if status == 200:
                line.connection.data_received(line.answer(number))
            assert line.client.writes[0].startswith(b"HTTP/1.1 %d " % status)
        assert gc.collect() == 0
    finally:
        gc.enable()


async def test_a_client_that_leaves_leaves_nothing_for_the_collector(line: Line) -> None:
    """In the middle of a repeated request: many may leave at once."""
    await line.warm()
    for _ in range(3):
        line.carry(0)
    gc.collect()
    gc.disable()
    try:
        line.downstream.data_received(line.request(0))
        line.downstream.connection_lost(None)
        line.downstream = Downstream(line.world.node.gateway)
        line.downstream.connection_made(line.client)
        assert gc.collect() == 0
    finally:
        gc.enable()
