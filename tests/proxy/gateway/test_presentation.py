"""Other ways to present a key: the same checks, and the upstream sees none of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from proxy.domain.model import State
from tests.harness import Pair, World, running_world, status

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTES: list[dict[str, Any]] = [
    {"path": "/all", "access": "any"},
    {"path": "/basic", "access": "any", "credentials": ["basic"]},
    {"path": "/bearer", "access": "any", "credentials": ["bearer"]},
    {"path": "/field", "access": "any", "credentials": [{"header": "Api-Token"}]},
    {"path": "/public", "access": "public"},
    {
        "path": "/forward",
        "access": "any",
        "credentials": ["bearer", {"header": "Api-Token"}],
        "upstream": "forward",
    },
    {
        "path": "/theirs",
        "access": "any",
        "credentials": [{"header": "Api-Token"}],
        "upstream": "forward",
    },
]
ALL = ["basic", "bearer", {"header": "X-API-Key"}]
BARE = b"GET %b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%b\r\n"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One gateway for the file, with two names for its upstream."""
    folder = tmp_path_factory.mktemp("w")
    async with running_world(folder) as first:
        url = f"http://127.0.0.1:{first.upstream.port}"
        upstreams = {"default": {"url": url}, "forward": {"url": url, "authorization": "forward"}}
        (folder / "other").mkdir()
        async with running_world(
            folder / "other", first.upstream, upstreams=upstreams, routes=ROUTES, credentials=ALL
        ) as world:
            yield world


@pytest.fixture
def world(shared: World) -> World:
    shared.renew()
    return shared


def basic(pair: Pair) -> bytes:
    return pair.basic


def bearer(pair: Pair) -> bytes:
    return f"Authorization: Bearer {pair.credentials.pair}\r\n".encode()


def field(pair: Pair) -> bytes:
    return f"X-API-Key: {pair.credentials.pair}\r\n".encode()


def token(pair: Pair) -> bytes:
    return f"api-token:{pair.credentials.pair} \t\r\n".encode()


WAYS = {"basic": basic, "bearer": bearer, "field": field, "token": token}
ACCEPTED = {
    "/all": {"basic", "bearer", "field"},
    "/basic": {"basic"},
    "/bearer": {"bearer"},
    "/field": {"token"},
    "/nowhere": {"basic", "bearer", "field"},
}
"""Path → what is accepted there; where there is no route, the setting for all of them decides."""


@pytest.mark.parametrize("path", ACCEPTED)
@pytest.mark.parametrize("way", WAYS)
async def test_a_route_reads_credentials_in_the_ways_that_it_lists(
    world: World, path: str, way: str
) -> None:
    """In others they are no credentials, or malformed; the upstream gets them in no case."""
    answer = await world.send(BARE % (path.encode(), WAYS[way](world.user)))
    good = 200 if path != "/nowhere" else 403
    assert status(answer) == (good if way in ACCEPTED[path] else 401)
    assert world.user.secret.encode() not in world.upstream.seen
    assert b"api-" not in world.upstream.seen.lower()
    if way in ACCEPTED[path] and good == 200:
        key = world.user.key.access_key.encode()
        assert b"\r\nX-Wardgate-Key: " + key + b"\r\n" in world.upstream.requests[0]


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        ((basic, field), "malformed-credentials"),
        ((bearer, field), "malformed-credentials"),
        ((basic, bearer), "malformed-credentials"),
        ((field, field), "malformed-credentials"),
        ((bearer, bearer), "malformed-credentials"),
        ((field, token), None),
        ((basic, token), None),
    ],
)
async def test_more_than_one_presentation_is_refused(
    world: World, ways: tuple[Any, ...], expected: str | None
) -> None:
    """Even of the same pair. What the route does not read is none."""
    answer = await world.send(BARE % (b"/all", b"".join(way(world.user) for way in ways)))
    assert status(answer) == (401 if expected else 200)
    assert world.log()[-1].get("reason") == expected
    assert world.user.secret.encode() not in world.upstream.seen


@pytest.mark.parametrize("name", [b"X-API-Key", b"x_api_key", b"X.Api.Key", b"X-API_Key"])
@pytest.mark.parametrize("path", [b"/all", b"/public", b"/forward"])
async def test_no_spelling_of_the_field_reaches_an_upstream(
    world: World, path: bytes, name: bytes
) -> None:
    """On no route, whether it accepts the field or not; and only its own name is read."""
    line = name + b": " + world.user.credentials.pair.encode() + b"\r\n"
    answer = await world.send(BARE % (path, line))
    open_to = path == b"/public" or (path == b"/all" and name == b"X-API-Key")
    assert status(answer) == (200 if open_to else 401)
    assert world.user.secret.encode() not in world.upstream.seen


async def test_an_upstream_that_is_forwarded_credentials_gets_authorization_alone(
    world: World,
) -> None:
    """As it came. A field of its own never reaches it."""
    assert status(await world.send(BARE % (b"/forward", bearer(world.user)))) == 200
    assert bearer(world.user) in world.upstream.requests[-1]
    assert status(await world.send(BARE % (b"/forward", token(world.user)))) == 200
    assert b"wgs_" not in world.upstream.requests[-1]


async def test_authorization_is_the_upstreams_where_the_route_does_not_read_it(
    world: World,
) -> None:
    """An API with tokens of its own: it gets those, and the gateway the key."""
    theirs = b"Authorization: Bearer a.token.of.theirs\r\n"
    assert status(await world.send(BARE % (b"/theirs", theirs + token(world.user)))) == 200
    assert theirs in world.upstream.requests[-1]
    assert status(await world.send(BARE % (b"/theirs", theirs))) == 401


@pytest.mark.parametrize(
    ("path", "challenge"),
    [
        (b"/all", b"Basic realm="),
        (b"/basic", b"Basic realm="),
        (b"/bearer", b"Bearer realm="),
        (b"/field", b'ApiKey field="api-token"'),
        (b"/nowhere", b"Basic realm="),
    ],
)
async def test_a_401_challenges_for_what_the_route_accepts(
    world: World, path: bytes, challenge: bytes
) -> None:
    """By one challenge: Basic's wherever that is accepted."""
    answer = await world.send(BARE % (path, b""))
    assert answer.count(b"\r\nWWW-Authenticate: ") == 1
    assert b"\r\nWWW-Authenticate: " + challenge in answer


async def test_every_presentation_of_a_pair_shares_its_cache_and_its_limits(world: World) -> None:
    """The secret is verified once, and guesses in all ways count together."""
    for way in (basic, bearer, field):
        assert status(await world.send(BARE % (b"/all", way(world.user)))) == 200
    remembered = world.inside.remembered[0]
    assert status(await world.send(BARE % (b"/field", token(world.user)))) == 200
    assert world.inside.remembered[0] == remembered
    wrong = replace(world.user, secret="guess")
    answers = [
        status(await world.send(BARE % (b"/all", way(wrong))))
        for _ in range(9)
        for way in (basic, bearer, field)
    ]
    assert set(answers) == {401, 429}
    assert status(await world.send(BARE % (b"/all", field(world.user)))) == 200


async def test_a_kept_connection_reads_the_field_of_each_request(world: World) -> None:
    """The credentials of the request before are used for no other pair, and on no route that does
    not accept them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)

    async def ask(path: bytes, lines: bytes) -> int:
        writer.write((BARE % (path, lines)).replace(b"Connection: close\r\n", b""))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        await reader.readexactly(length)
        return status(head)

    wrong = replace(world.user, secret=world.user.secret[:-1] + "!")
    steps = [
        (b"/all", field, world.user, 200),
        (b"/all", field, world.user, 200),
        (b"/all", field, world.admin, 200),
        (b"/all", field, wrong, 401),
        (b"/field", field, world.user, 401),
        (b"/all", field, world.user, 200),
        (b"/basic", bearer, world.user, 401),
        (b"/all", bearer, world.user, 200),
        (b"/basic", bearer, world.user, 401),
        (b"/bearer", bearer, world.user, 200),
    ]
    for path, way, pair, expected in steps:
        assert await ask(path, way(pair)) == expected, (path, way, expected)
    key = world.user.key.access_key.encode()
    assert key in world.upstream.requests[-1]
    await world.put(replace(world.user.key, state=State.INACTIVE))
    assert await ask(b"/bearer", bearer(world.user)) == 401
    await world.put(world.user.key)
    writer.close()


async def test_by_default_basic_alone_is_read(tmp_path: Path) -> None:
    """A field with a pair is then the upstream's."""
    async with running_world(tmp_path) as world:
        path = b"/v1/projects/a/x"
        for way in (bearer, field):
            assert status(await world.send(BARE % (path, way(world.key_a)))) == 401
        await world.send(BARE % (path, basic(world.key_a) + b"X-API-Key: theirs\r\n"))
        assert b"\r\nX-API-Key: theirs\r\n" in world.upstream.requests[-1]
