"""The sample API, which is the upstream of the quickstart."""

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


async def test_a_host_belongs_to_one_environment(client: Client) -> None:
    """The one that it was added to."""
    answer = await client.post("/v1/projects/a/hosts", json={"name": "one"})
    assert answer.status == 201
    host = await answer.json()
    assert await names(client, "a") == ["one"]
    assert await names(client, "b") == []
    assert (await client.get(f"/v1/projects/b/hosts/{host['id']}")).status == 404
    assert (await client.get(f"/v1/projects/a/hosts/{host['id']}")).status == 200


async def test_a_removed_host_is_gone(client: Client) -> None:
    """From the list of its environment."""
    host = await (await client.post("/v1/projects/a/hosts", json={"name": "one"})).json()
    assert (await client.delete(f"/v1/projects/a/hosts/{host['id']}")).status == 204
    assert await names(client, "a") == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"name": 1}', b'{"name": ""}', b"\xff"])
async def test_a_body_that_names_no_host_is_refused(client: Client, body: bytes) -> None:
    """With 422."""
    assert (await client.post("/v1/projects/a/hosts", data=body)).status == 422


async def test_echo_returns_the_request_and_the_identity_but_no_credentials(client: Client) -> None:
    """The identity is what the gateway added."""
    answer = await client.put(
        "/v1/projects/a/echo?x=1", headers={"X-Wardgate-Key": "K", "Authorization": "Basic eDp5"}
    )
    assert await answer.json() == {
        "method": "PUT",
        "path": "/v1/projects/a/echo?x=1",
        "identity": {"X-Wardgate-Key": "K"},
    }


async def test_an_environment_is_listed_once_it_has_had_a_host(client: Client) -> None:
    """With the number of its hosts."""
    await client.post("/v1/projects/a/hosts", json={"name": "one"})
    answer = await client.get("/v1/projects")
    assert await answer.json() == {"data": [{"name": "a", "hosts": 1}]}


async def test_events_are_sent_one_by_one(client: Client) -> None:
    """Before the answer ends."""
    async with client.get("/v1/projects/a/events") as answer:
        assert answer.content_type == "text/event-stream"
        event = await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 60)
    assert event == b'event: tick\ndata: {"tick": 1, "hosts": 0}\n\n'


async def test_ping_is_answered(client: Client) -> None:
    """With pong."""
    assert await (await client.get("/ping")).text() == "pong"
