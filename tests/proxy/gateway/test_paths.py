"""Paths through a gateway: which arrive, byte for byte, and which are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.harness import World, running_world, status

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL = ["%2F", "%25", ";", "[", "]", "|", "^", "{", "}", '"']
ROUTES = [
    {"path": "/v1/projects/{environment}/admin/**", "access": "admin"},
    {"path": "/v1/projects/{environment}/**", "allow": ["[", "]"]},
    {"path": "/v1/settings/**", "access": "admin"},
    {"path": "/v1/**", "allow": ALL},
    {"path": "/**", "access": "account"},
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One gateway for all tests of this file."""
    folder: Path = tmp_path_factory.mktemp("paths")
    async with running_world(folder, routes=ROUTES) as here:
        yield here


@pytest.fixture
def world(running: World) -> World:
    """The gateway, as if it had just started."""
    running.renew()
    return running


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/projects/a/hosts[0]",
        b"/v1/projects/a/hosts/a.json",
        b"/v1/projects/a/%ef%bc%8fx",
        b'/v1/x[0]|^{"a":1}"%2F%2fy;v=1/%2541',
        b"/v1/settings2.json",
        b"/v1.1/settings",
    ],
)
async def test_a_path_that_is_read_in_one_way_arrives_byte_for_byte(
    world: World, path: bytes
) -> None:
    """With what its route allows; the access log has it too."""
    assert status(await world.send(world.request(path, pair=world.user))) == 200
    assert world.upstream.requests[0].startswith(b"GET " + path + b" HTTP/1.1\r\n")
    assert world.log()[-1]["path"] == path.decode()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (b"/v1/projects/a/x|y", "path-characters"),
        (b"/x[0]", "path-characters"),
        (b"/v1/projects/a[0]/x", "environment-name"),
        (b"/v1/projects[0]/a%2Fx", None),
        (b"/v1/projects/a/admin.json", "ambiguous-path"),
        (b"/v1/projects/a/adm%C4%B1n/x", "ambiguous-path"),
        (b"/v1/projects/a/x/%EF%BC%8Eadmin", None),
        (b"/v1/settings.json", "ambiguous-path"),
        (b"/v1/settings./x", "ambiguous-path"),
        (b"/v1/sett%C4%B0ngs", "ambiguous-path"),
        (b"/v1/%EF%BD%93ettings", "ambiguous-path"),
        (b"/v1/settings%2Fx", "ambiguous-path"),
        (b"/v1/projects%2Fa%2Fx", "ambiguous-path"),
        (b"/v1/x%2F..%2Fsettings", "target"),
        (b"/v1/%EF%BC%8E%EF%BC%8E/x", "target"),
    ],
)
async def test_a_path_of_which_two_readings_part_is_refused(
    world: World, path: bytes, reason: str | None
) -> None:
    """With 400, before a byte goes upstream, whoever asks. (None: its readings do not part.)"""
    answer = await world.send(world.request(path, pair=world.user))
    assert status(answer) == (200 if reason is None else 400)
    assert world.log()[-1].get("reason") == reason
    assert bool(world.upstream.requests) == (reason is None)
