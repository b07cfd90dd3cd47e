"""Forward-auth and the gateway never differ: the same requests, asked about and sent.

What a real proxy in front makes of them is in `tests/fronts`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.asking import CONVENTIONS, asked
from tests.harness import World, running_world, status
from tests.hostile import targets
from tests.hostile.row import LAST, PAIR, target
from tests.hostile.test_properties import ONE_GATEWAY, pieces

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = {row.name: row.sent for row in targets.ROWS}
IDENTITY = re.compile(rb"(?im)^X-Wardgate-[^\r]*\r$")


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=CONVENTIONS)
async def asking(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, World]]:
    """A gateway and a convention by which proxies ask it."""
    forward_auth = {"listen": "127.0.0.1:0", "fields": request.param}
    folder = tmp_path_factory.mktemp("world")
    async with running_world(folder, forward_auth=forward_auth) as world:
        yield request.param, world


def plain(answer: bytes) -> bytes:
    """An answer without what differs each time."""
    answer = re.sub(rb"(?m)^Date: [^\r]*", b"Date: @", answer)
    return re.sub(rb"[0-9a-f-]{36}", b"<id>", answer)


@pytest.mark.parametrize("name", ROWS)
async def test_a_request_that_is_asked_about_gets_the_answer_of_the_gateway(
    asking: tuple[str, World], name: str
) -> None:
    """Byte by byte where it is refused; where it is permitted, the proxy gets the identity that the
    upstream gets from the gateway."""
    convention, world = asking
    world.renew()
    raw = ROWS[name].replace(PAIR, world.key_a.basic.split()[-1])
    raw = raw.removesuffix(b"\r\n") + LAST + b"\r\n"
    sent = await world.send(raw)
    world.inside.forget_guesses()
    told = await world.ask(asked(convention, raw))
    if status(sent) == 200:
        assert status(told) == 200
        (upstream,) = world.upstream.requests
        assert IDENTITY.findall(told) == IDENTITY.findall(upstream)
    else:
        assert plain(told) == plain(sent)


@pytest.mark.parametrize("length", [8179, 8180, 9000, 70_000])
async def test_a_target_that_is_too_long_is_refused(asking: tuple[str, World], length: int) -> None:
    """With 431 where it comes in a field: no longer one passes than the gateway takes."""
    convention, world = asking
    world.renew()
    path = b"/v1/projects/a/".ljust(length, b"x")
    raw = target(path).replace(PAIR, world.key_a.basic.split()[-1])
    raw = raw.removesuffix(b"\r\n") + LAST + b"\r\n"
    expected = status(await world.send(raw))
    told = status(await world.ask(asked(convention, raw)))
    assert expected == (200 if length == 8179 else 414)
    assert told == expected or (convention != "path" and told == 431)


methods = st.sampled_from(
    [b"GET", b"HEAD", b"POST", b"get", b"CONNECT", b"TRACE", b"LOCK", b"", b"G T", b"\xff", b"PRI"]
)


@given(method=methods, path=st.lists(pieces, max_size=6).map(b"".join), bare=st.booleans())
@settings(max_examples=150, suppress_health_check=ONE_GATEWAY, deadline=None)
async def test_any_method_and_target_get_the_answer_of_the_gateway(
    asking: tuple[str, World], method: bytes, path: bytes, bare: bool
) -> None:
    """The same status and body, whatever is in them, and the same path where they are permitted."""
    convention, world = asking
    world.renew()
    target = path if bare else b"/v1/projects/a/" + path
    fields = b"Host: h\r\n" + world.key_a.basic + LAST
    sent = await world.send(b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target, fields))
    told = await world.ask(CONVENTIONS[convention](method, target, fields))
    assert status(told) == status(sent)
    if status(sent) != 200 and method != b"HEAD":
        assert plain(told) == plain(sent)
    if status(sent) == 200:
        assert world.upstream.requests[0].startswith(b"%b %b HTTP/1.1\r\n" % (method, target))
