"""`wardgate upgrade` exchanges the program of all processes, and no client notices."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.programs import wardgate
from tests.test_workers import WORKERS, Clients, Site, eventually, site, site_of

__all__ = ["site"]


def upgrade(site: Site) -> None:
    """Exchange the program."""
    done = wardgate("upgrade", "-c", "wardgate.yaml", cwd=site.folder)
    assert done.returncode == 0, done.stderr
    assert f"process {site.master.pid} and its workers" in done.stdout


def test_no_request_fails_while_the_program_is_exchanged(site: Site) -> None:
    """Clients with kept connections and with new ones get an answer to each request; all processes
    but the master are others afterwards, and what they counted is kept."""
    number, key = site.made.new_key()
    before = set(site.children)
    with Clients(site.made.gateway, key) as clients:
        for _ in range(3):
            clients.wait_for(100)
            upgrade(site)
            assert site.made.ask(Clients.PATH, key) == 200
            clients.wait_for(100)
        eventually(lambda: len(site.children) == 1 + WORKERS)
        assert before.isdisjoint(site.children)
        site.made.call(f"/apikeys/{number}?action=deactivate", "-X", "POST")
        assert {site.made.ask(Clients.PATH, key) for _ in range(6)} == {401}
    assert set(clients.answers) == {200, 401}
    assert site.metric('wardgate_requests_total{status="2xx"}') >= clients.answers[200]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An API that switches to a protocol in which it sends back what it gets."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"
    )
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def test_a_tunnel_of_the_program_before_goes_on(tmp_path: Path) -> None:
    """It is served by its worker until it ends, and is ended at once where its right is."""
    api = await asyncio.start_server(echo, "127.0.0.1", 0)
    route = {"path": "/v1/projects/{environment}/**", "access": "environment"}
    routes = [route | {"upgrades": ["echo"]}]
    upstream = f"http://127.0.0.1:{api.sockets[0].getsockname()[1]}"
    sites = site_of(tmp_path, routes=routes, upstream=upstream)
    site = await asyncio.to_thread(sites.__enter__)
    try:
        number, key = await asyncio.to_thread(site.made.new_key)
        reader, writer = await asyncio.open_connection("127.0.0.1", site.made.gateway)
        head = b"GET /v1/projects/demo/x HTTP/1.1\r\nHost: x\r\nUpgrade: echo\r\n"
        writer.write(head + b"Connection: Upgrade\r\n" + key.basic + b"\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        for _ in range(2):
            await asyncio.to_thread(upgrade, site)
            writer.write(b"abc")
            assert await reader.readexactly(3) == b"abc"
        deactivate = f"/apikeys/{number}?action=deactivate", "-X", "POST"
        await asyncio.to_thread(site.made.call, *deactivate)
        with suppress(ConnectionResetError):
            assert not await reader.read()
        writer.close()
    finally:
        await asyncio.to_thread(sites.__exit__, None, None, None)
        api.close()


def test_a_program_that_cannot_serve_takes_over_nothing(site: Site) -> None:
    """Where the configuration is not valid for it, the program before goes on, and says why."""
    _, key = site.made.new_key()
    before = site.children
    file = site.folder / "wardgate.yaml"
    valid = file.read_text()
    for wrong, why in (
        ({"listen": 7}, "listen[0]: should be host:port"),
        ({"workers": 1}, "workers: one alone cannot take over"),
    ):
        file.write_text(json.dumps(json.loads(valid) | wrong))
        os.kill(site.master.pid, signal.SIGUSR2)
        eventually(lambda why=why: why in site.err())  # type: ignore[misc]
    assert site.children == before
    assert site.made.ask(Clients.PATH, key) == 200
    file.write_text(valid)
    upgrade(site)
    assert site.made.ask(Clients.PATH, key) == 200


@pytest.mark.parametrize("workers", [1, WORKERS])
def test_without_a_master_there_is_nothing_to_exchange(tmp_path: Path, workers: int) -> None:
    """It says so, whether a process serves alone or none does."""
    made = Installation(tmp_path, workers=workers)
    if workers == 1:
        with made.serving():
            done = wardgate("upgrade", "-c", "wardgate.yaml", cwd=tmp_path)
    else:
        done = wardgate("upgrade", "-c", "wardgate.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "no server with several workers runs by var/master.json" in done.stderr
