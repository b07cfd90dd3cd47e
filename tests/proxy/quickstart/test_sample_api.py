"""The sample API: what a person who tries the gateway finds behind it."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from proxy.quickstart.sample_api import create_app

Client: TypeAlias = TestClient[web.Request, web.Application]


@pytest.fixture
async def client(aiohttp_client: AiohttpClient) -> Client:
    """A client of a new sample API."""
    return await aiohttp_client(create_app())


async def names(client: Client, environment: str) -> list[Any]:
    """The names of an environment's hosts."""
    answer = await client.get(f"/v1/projects/{environment}/hosts")
    return [host["name"] for host in (await answer.json())["data"]]


async def test_environments_are_apart(client: Client) -> None:
    """A host is in the environment that it was added to, and in no other."""
    answer = await client.post("/v1/projects/a/hosts", json={"name": "one"})
    assert answer.status == 201
    host = await answer.json()
    assert await names(client, "a") == ["one"]
    assert await names(client, "b") == []
    assert (await client.get(f"/v1/projects/b/hosts/{host['id']}")).status == 404
    assert (await client.get(f"/v1/projects/a/hosts/{host['id']}")).status == 200


async def test_hosts_go(client: Client) -> None:
    """A host that is removed is gone."""
    host = await (await client.post("/v1/projects/a/hosts", json={"name": "one"})).json()
    assert (await client.delete(f"/v1/projects/a/hosts/{host['id']}")).status == 204
    assert await names(client, "a") == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"name": 1}', b'{"name": ""}', b"\xff"])
async def test_not_a_host(client: Client, body: bytes) -> None:
    """What names no host is refused."""
    assert (await client.post("/v1/projects/a/hosts", data=body)).status == 422


async def test_echo(client: Client) -> None:
    """Echo tells method, path and what the gateway said of the caller, and nothing secret."""
    answer = await client.put(
        "/v1/projects/a/echo?x=1", headers={"X-Wardgate-Key": "K", "Authorization": "Basic eDp5"}
    )
    assert await answer.json() == {
        "method": "PUT",
        "path": "/v1/projects/a/echo?x=1",
        "identity": {"X-Wardgate-Key": "K"},
    }


async def test_environments(client: Client) -> None:
    """Environments are listed once they have had a host."""
    await client.post("/v1/projects/a/hosts", json={"name": "one"})
    answer = await client.get("/v1/projects")
    assert await answer.json() == {"data": [{"name": "a", "hosts": 1}]}


async def test_events(client: Client) -> None:
    """Events come one by one, without waiting for an end."""
    async with client.get("/v1/projects/a/events") as answer:
        assert answer.content_type == "text/event-stream"
        event = await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 60)
    assert event == b'event: tick\ndata: {"tick": 1, "hosts": 0}\n\n'


async def test_ping(client: Client) -> None:
    """The API answers a ping."""
    assert await (await client.get("/ping")).text() == "pong"
