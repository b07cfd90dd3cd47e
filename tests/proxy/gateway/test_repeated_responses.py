"""A response that differs from the one before in the values of some fields is passed on as any.

Where a route looks at the fields of responses, and where it does not.
"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from proxy.http1.response_fields import ResponseFields
from proxy.http1.response_head import MAX_HEAD
from tests.harness import running_world
from tests.proxy.gateway.conversation import Conversation
from tests.proxy.gateway.test_repeat import alike

PLAIN = b"HTTP/1.1 200 OK\r\nServer: %d\r\nDate: %d\r\nContent-Length: %d\r\n\r\n%b"
RESPONSES = {
    "plain": PLAIN % (1, 1, 5, b"hello"),
    "longer": PLAIN % (1, 1, 12, b"hello, world"),
    "later": PLAIN % (2, 2, 5, b"hello"),
    "odd length": PLAIN.replace(b"Length: %d", b"Length:  0%d ") % (3, 3, 5, b"hello"),
    "wrong length": PLAIN.replace(b"Length: %d", b"Length: %d, 5") % (4, 4, 5, b"hello"),
    "huge length": PLAIN.replace(b"Length: %d", b"Length: 9%018d") % (5, 5, 5, b"hello"),
    "blank value": PLAIN.replace(b"Server: %d", b"Server: \0%d") % (6, 6, 5, b"hello"),
    "a percent sign": PLAIN.replace(b"Server: %d", b"Server: %%b%d") % (7, 7, 5, b"%b%d%"),
    "found": PLAIN.replace(b"200 OK", b"404 Not Found") % (8, 8, 5, b"hello"),
    "other reason": PLAIN.replace(b"200 OK", b"200 Fine") % (9, 9, 5, b"hello"),
    "old": PLAIN.replace(b"1.1", b"1.0") % (10, 10, 5, b"hello"),
    "elsewhere": PLAIN.replace(b"Date", b"Location") % (11, 11, 5, b"hello"),
    "vary": PLAIN.replace(b"Date", b"Vary") % (12, 12, 5, b"hello"),
    "no content": b"HTTP/1.1 204 No Content\r\nServer: %d\r\nDate: 3\r\n\r\n" % 13,
    "content of 204": b"HTTP/1.1 204 No Content\r\nServer: 14\r\nContent-Length: 0\r\n\r\n",
    "upgrade": b"HTTP/1.1 426 Upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi",
    "own cookie": PLAIN.replace(b"Date: %d", b"Set-Cookie: wardgate=%d") % (15, 15, 5, b"hello"),
}
ROUTE = {"path": "/v1/projects/{environment}/**"}
ORIGINS = {"origins": ["https://app.example.com"]}
ROUTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rules": {"response_headers": {"set": {"X-Frame-Options": "DENY"}, "remove": ["Server"]}},
    "cors": {"cors": ORIGINS},
    "prefix": {"strip_prefix": "/v1", "add_prefix": "/v2"},
}


@pytest.mark.parametrize("routing", ROUTINGS)
async def test_responses_in_any_order_are_passed_on_as_without_repeats(
    tmp_path: Path, routing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each behind each other one, twice: the second time, its blanks are known."""
    filled = 0
    differing = ResponseFields.differing

    def counted(self: ResponseFields, data: bytes, start: int) -> Any:
        nonlocal filled
        found = differing(self, data, start)
        filled += found is not None
        return found

    monkeypatch.setattr(ResponseFields, "differing", counted)
    async with running_world(tmp_path, routes=[ROUTE | ROUTINGS[routing]]) as world:
        for pair in permutations(RESPONSES.values(), 2):

            async def script(talk: Conversation, pair: tuple[bytes, ...] = pair) -> None:
                for each in (*pair, *pair):
                    await talk.asks(talk.head())
                    talk.answers(each)

            await alike(world, script)
    assert (filled > 0) == (routing == "plain"), "routes that look at fields need their values"


async def test_a_response_after_others_with_other_values_is_passed_on_as_without_repeats(
    tmp_path: Path,
) -> None:
    """Where the blanks are known: whole, in two pieces, and with one byte too many."""
    async with running_world(tmp_path, routes=[ROUTE]) as world:
        before = (RESPONSES["plain"], RESPONSES["longer"], RESPONSES["later"])
        for each in RESPONSES.values():
            half = len(each) // 2
            for pieces in [
                (each,),
                (each[:-1], each[-1:]),
                (each[:half], each[half:]),
                (each + b"x",),
            ]:

                async def script(talk: Conversation, pieces: tuple[bytes, ...] = pieces) -> None:
                    for answer in (*((one,) for one in before), pieces, before[:1]):
                        await talk.asks(talk.head())
                        talk.answers(*answer)

                await alike(world, script)


async def test_each_redirect_to_the_upstream_leads_to_the_gateway(tmp_path: Path) -> None:
    """Also the one that follows another, and differs in its place and its length."""
    async with running_world(tmp_path, routes=[ROUTE]) as world:
        place = b"http://127.0.0.1:%d/v1/projects/a/" % world.upstream.port
        moved = PLAIN.replace(b"200 OK", b"302 Found").replace(b"Date: ", b"Location: " + place)

        async def script(talk: Conversation) -> None:
            for number in range(6):
                await talk.asks(talk.head())
                talk.answers(moved % (number // 3, number, number, b"x" * number))

        told = await alike(world, script)
        last = next(each for each in reversed(told.client) if b"Location" in each)
        assert b"\r\nLocation: /v1/projects/a/5\r\n" in last


async def test_a_head_that_is_too_large_is_refused_wherever_it_comes(tmp_path: Path) -> None:
    """Also where the value that makes it so large is one that may differ."""
    large = PLAIN.replace(b"Server: %d", b"Server: " + b"x" * MAX_HEAD + b"%d")
    async with running_world(tmp_path, routes=[ROUTE]) as world:

        async def script(talk: Conversation) -> None:
            for number in range(4):
                await talk.asks(talk.head())
                talk.answers(PLAIN % (number, 1, 5, b"hello"))
            await talk.asks(talk.head())
            talk.answers(large % (1, 1, 5, b"hello"))

        told = await alike(world, script)
        assert [line["status"] for line in told.log][-2:] == [200, 502]
