"""Clients of HTTP/2 by way of HAProxy, whose script has to put their targets together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fronts.fronts import FRONT, Front, running_front
from tests.programs import program

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def front(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    """HAProxy, which speaks HTTP/2 alone, without TLS."""

    def change(text: str) -> str:
        return text.replace(f"bind 127.0.0.1{FRONT}", f"bind 127.0.0.1{FRONT} proto h2")

    async with running_front("haproxy", tmp_path_factory.mktemp("front"), change) as front:
        yield front


@pytest.mark.parametrize(
    ("target", "key", "expected"),
    [
        ("/v1/projects/a/x", "owner", 200),
        ("/v1/projects/a/x?next=/v1/projects/b&%zz", "owner", 200),
        ("/v1/projects/b/x", "owner", 403),
        ("/v1/projects/a/../b/x", "owner", 400),
        ("/v1/projects/a/%2e%2e/b/x", "owner", 400),
        ("//v1/projects/a/x", "owner", 400),
        ("/v1/projects/a/x", "wrong", 401),
        ("/ping", None, 200),
    ],
)
async def test_a_target_is_asked_about_as_it_is_sent(
    front: Front, target: str, key: str | None, expected: int
) -> None:
    """To the API, which speaks HTTP/1.1."""
    front.world.renew()
    front.arrived()
    command = [
        *(program("curl"), "-sS", "--path-as-is", "--http2-prior-knowledge"),
        *("-o", "/dev/null", "-w", "%{http_code} %{http_version}", "-H", "X-Wardgate-Key: forged"),
        f"http://127.0.0.1:{front.port}{target}",
    ]
    if key is not None:
        pair = front.pairs[key]
        command += ["-u", f"{pair.key.access_key}:{pair.secret}"]
    curl = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await curl.communicate()
    assert printed == b"%d 2" % expected
    arrived = [each.split(b" ")[1].decode() for each in front.arrived()]
    assert arrived == ([target] if expected == 200 else [])
