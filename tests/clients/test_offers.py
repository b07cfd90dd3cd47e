"""Clients that offer another protocol with their first request get in as all others do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.clients.origin import BASE
from tests.installation import Installation
from tests.programs import free_port, module, program, running
from tests.support.credentials import Credentials

CLIENT = Path(__file__).parent / "Client.java"


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Installation, Credentials]]:
    """A gateway in front of the origin, and a key of the environment `demo`."""
    folder, port = tmp_path_factory.mktemp("offers"), free_port()
    ways = ["basic", "bearer", {"header": "X-API-Key"}]  # which change no challenge
    here = Installation(folder, port, credentials=ways)
    origin = module("tests.clients.origin", str(port), str(folder))
    with running(origin, port, folder), here.serving():
        yield here, here.new_key("demo")[1]


@asynccontextmanager
async def counted(port: int) -> AsyncIterator[tuple[int, list[int]]]:
    """(a port that leads to `port`, a list that grows by each connection that is made to it)."""
    made: list[int] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(len(made))
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, back), copy(there, writer), return_exceptions=True)

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], made


async def run(*command: str | Path) -> str:
    """What a program prints."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    printed, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return printed.decode()


async def test_java_sends_twenty_requests_on_one_connection(
    installed: tuple[Installation, Credentials],
) -> None:
    """Its client as it comes offers h2c until the server has answered, and sends its key only after
    a challenge."""
    java = program("java")
    here, key = installed
    async with counted(here.gateway) as (port, made):
        url = f"http://127.0.0.1:{port}{BASE}"
        printed = await run(java, CLIENT, url, key.access_key, key.secret, "20")
    assert [json.loads(line)["body"] for line in printed.splitlines()] == ["", "hello"] * 10
    assert len(made) == 1


@pytest.mark.parametrize("api", [False, True], ids=["gateway", "admin-api"])
async def test_curl_that_offers_h2c_and_waits_for_a_challenge_gets_in(
    installed: tuple[Installation, Credentials], api: bool
) -> None:
    """By one connection for both requests."""
    here, key = installed
    port, pair = (here.api, here.admin.pair) if api else (here.gateway, key.pair)
    path = "/v2-beta/projects" if api else f"{BASE}/echo"
    said = ("-o", "/dev/null", "-w", "%{http_code} %{num_connects}")
    options = ("-sS", "--http2", "--anyauth", "-u", pair, *said)
    async with counted(port) as (way, made):
        url = f"http://127.0.0.1:{way}{path}"
        headers = ("-H", f"Host: 127.0.0.1:{port}")
        assert await run(program("curl"), *options, *headers, url) == "200 1"
    assert len(made) == 1
