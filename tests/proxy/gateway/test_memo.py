"""What follows from a head is used again on its connection only, and only while it holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.auth.credentials import Credentials
from proxy.auth.decision import Decider
from proxy.domain.authorization import Verdict
from proxy.domain.model import Key, Permit, State
from proxy.domain.routes import Access, Route, Routes
from proxy.gateway.downstream import Downstream
from proxy.gateway.memo import Memo
from proxy.http1.cors import READ
from proxy.http1.fields import RequestFields, RequestTable
from proxy.http1.forwarding import Peer
from proxy.http1.grammar import request_line
from proxy.http1.head import Head
from proxy.http1.outbound import Origin
from tests.harness import World, alter, running_world, status

LINES = (
    b"OPTIONS /v1/projects/a/x HTTP/1.1",
    b"GET /v1/projects/a/x HTTP/1.1",
    b"GET /v1/projects/b/x HTTP/1.1",
    b"HEAD / HTTP/1.0",
)
VALUES: dict[bytes, tuple[bytes, ...]] = {
    b"Host": (b"a", b"b"),
    b"Authorization": (b"Basic eDp5", b"Basic eDp6", b"Bearer x"),
    b"User-Agent": (b"curl", b'"'),
    b"X-Forwarded-For": (b"192.0.2.1", b"192.0.2.2"),
    b"X-Request-Id": (b"one", b"two"),
    b"X-Enforce-Authentication": (b"true", b"false"),
    b"Connection": (b"close", b"upgrade"),
    b"Upgrade": (b"websocket", b"h2c"),
    b"X-Other": (b"1", b"2"),
    b"X-API-Key": (b"x:y", b"x:z"),
    b"Origin": (b"https://a", b"https://b"),
    b"Access-Control-Request-Method": (b"GET", b"PUT"),
}
TABLE = RequestTable(read=READ, pairs={b"x-api-key"})
ORIGIN = Origin(b"upstream", forward_authorization=True)

heads = st.tuples(
    st.sampled_from(LINES),
    st.fixed_dictionaries(
        {b"Host": st.sampled_from(VALUES[b"Host"])},
        optional={
            name: st.sampled_from(values) for name, values in VALUES.items() if name != b"Host"
        },
    ),
)


class Fixed:
    """As much of a runtime as a memo reads."""

    generation = 1
    fields = TABLE

    def is_trusted(self, address: str) -> bool:
        """The peer of these tests is a trusted proxy, and no other address is."""
        return address == "127.0.0.1"


PEER = Peer("127.0.0.1", "http", True)


def following(head: tuple[bytes, dict[bytes, bytes]], last: Memo | None) -> Memo:
    """The memo of a head on a connection whose last memo is `last`."""
    line, values = head
    block = b"".join(b"%b: %b\r\n" % pair for pair in values.items()) + b"\r\n"
    fields = last.head.fields.again(block) if last else None
    read = last.head.again(line, fields) if last and fields else None
    read = read or Head(line, request_line(line), fields or RequestFields(block, TABLE))
    return Memo(read, PEER, Fixed(), last)  # type: ignore[arg-type]  # it reads no more of it


def said_by(memo: Memo) -> tuple[object, ...]:
    """Everything that a memo says about its head."""
    access = memo.access
    decided_on = (
        access.method,
        access.path,
        access.characters,
        access.authorization,
        access.pairs,
        access.preflight,
        access.address,
    )
    more = (access.credentials_required, access.upgrade, memo.requested, memo.agent)
    return decided_on, more, memo.outbound(ORIGIN, b"id", b"", None)


@given(st.lists(heads, min_size=2, max_size=6))
def test_a_memo_equals_the_memo_of_a_fresh_connection(
    heads: list[tuple[bytes, dict[bytes, bytes]]],
) -> None:
    """The heads before it on the connection make no difference."""
    last = None
    for head in heads:
        memo = following(head, last)
        assert said_by(memo) == said_by(following(head, None))
        last = memo


@given(heads, heads)
def test_credentials_are_taken_over_only_with_the_same_fields_that_hold_them(
    first: tuple[bytes, dict[bytes, bytes]], second: tuple[bytes, dict[bytes, bytes]]
) -> None:
    """No request is authenticated by the key of the request before."""
    before = following(first, None)
    before.access.credentials = credentials = Credentials("key", b"secret")
    before.verdict = Verdict(None, Permit())
    after = following(second, before)
    if any(first[1].get(name) != second[1].get(name) for name in (b"Authorization", b"X-API-Key")):
        assert after.access.credentials is None
        assert after.verdict is None
    elif after.access.credentials is not None:
        assert after.access.credentials is credentials


@asynccontextmanager
async def kept(world: World) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that is kept between requests."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    yield reader, writer
    writer.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """The status of the answer to one request, of which all is read."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    await reader.readexactly(length)
    return status(head)


async def test_a_new_configuration_applies_from_the_next_request_on(tmp_path: Path) -> None:
    """It applies also to a head that is remembered with the old routes."""
    async with running_world(tmp_path) as world, kept(world) as (reader, writer):
        request = world.request(b"/v1/projects/a/x", close=False)
        assert [await ask(reader, writer, request) for _ in range(3)] == [200] * 3
        gateway = world.node.gateway
        routes = Routes([Route("/**", Access.ADMIN, "default")])
        runtime = replace(
            gateway.runtime,
            generation=gateway.runtime.generation + 1,
            decider=Decider(routes, world.node.records, world.node.authenticator),
        )
        alter(gateway, runtime=runtime)
        assert await ask(reader, writer, request) == 403


async def test_a_request_ends_with_the_configuration_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its decision was still being loaded as another one came, without its upstream."""
    async with running_world(tmp_path) as world, kept(world) as (reader, writer):
        keys, go_on = world.node.records.keys, asyncio.Event()
        load, began = keys._load, asyncio.Event()

        async def late(access_key: str) -> tuple[int, Key | None]:
            began.set()
            await go_on.wait()
            return await load(access_key)

        monkeypatch.setattr(keys, "_load", late)
        request = world.request(b"/v1/projects/a/x", close=False)
        answer = asyncio.ensure_future(ask(reader, writer, request))
        await began.wait()
        gateway = world.node.gateway
        before = gateway.runtime
        alter(gateway, runtime=replace(before, generation=before.generation + 1, pools={}))
        go_on.set()
        assert await answer == 200
        alter(gateway, runtime=before)


async def test_a_verdict_is_used_again_until_a_record_changes(tmp_path: Path) -> None:
    """After any change, even an unrelated one, there is a new verdict."""
    async with running_world(tmp_path) as world, kept(world) as (reader, writer):
        request = world.request(b"/v1/projects/a/x", close=False)
        verdicts = []
        for change in (False, False, False, True):
            if change:
                await world.put(replace(world.key_b.key, name="renamed"))
            assert await ask(reader, writer, request) == 200
            (connection,) = world.node.gateway.admission.connections
            assert isinstance(connection, Downstream)
            memo = connection._reader.memo
            verdicts.append(memo.verdict if memo else None)
        _, second, third, fourth = verdicts  # the first head of a connection is not remembered
        assert second is not None
        assert third is second
        assert fourth is not second
        await world.put(replace(world.key_a.key, state=State.INACTIVE))
        assert await ask(reader, writer, request) == 401
