"""What is in progress during a reload goes on as it began, except for rights that end."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.load.crowd import has_connections_to, until
from tests.patience import PATIENCE
from tests.programs import free_port, module, running
from tests.test_reload import Kept, Upstreams, served, upstreams
from tests.upstream import OK

__all__ = ["upstreams"]
REQUESTS = 300


class Waiting:
    """An upstream that answers no request before it may."""

    def __init__(self) -> None:
        self.came = 0
        self.may_answer = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        while await reader.readuntil(b"\r\n\r\n"):
            self.came += 1
            await self.may_answer.wait()
            writer.write(OK)


def test_requests_in_progress_are_answered_by_an_upstream_that_was_removed(
    tmp_path: Path, upstreams: Upstreams
) -> None:
    """Hundreds at once. Their connections then go on with the new upstream, and those to the old
    one are closed."""
    old, waiting = upstreams.start("old"), Waiting()
    upstreams.recorded["old"].handle = waiting.serve
    with served(tmp_path, upstream=old) as it, ExitStack() as stack:
        clients = [stack.enter_context(Kept(it)) for _ in range(REQUESTS)]
        for client in clients:
            client.send()
        until(lambda: waiting.came == REQUESTS)
        it.configure(upstream=f"http://127.0.0.1:{upstreams.start('new')}")
        for _ in range(3):
            it.hang_up()
        upstreams.call(waiting.may_answer.set)
        assert {client.receive() for client in clients} == {(200, b"ok")}
        assert {client.ask() for client in clients} == {(200, b"new")}
        until(lambda: not has_connections_to(old))


def test_a_tunnel_outlives_its_route_but_not_its_key(tmp_path: Path, upstreams: Upstreams) -> None:
    """Though the configuration with which it began is no longer in use."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (origin := tmp_path / "origin").mkdir()
    with (
        running(module("tests.clients.origin", str(port), "."), port, origin),
        served(tmp_path, upstreams={"default": {"url": url}}) as it,
    ):
        socket = f"ws://127.0.0.1:{it.installation.gateway}/v1/projects/demo/socket"
        basic = {"Authorization": it.credentials.authorization}
        with connect(socket, additional_headers=basic, proxy=None, open_timeout=PATIENCE) as tunnel:
            upstream = {"url": f"http://127.0.0.1:{upstreams.start('up')}"}
            it.configure(upstreams={"default": upstream}, routes=[{"path": "/other"}])
            it.hang_up()
            tunnel.send("hello")
            assert tunnel.recv(PATIENCE) == "HELLO"
            it.installation.call(f"/apikeys/{it.key}/?action=deactivate", "-X", "POST")
            with pytest.raises(ConnectionClosed):
                tunnel.recv(PATIENCE)


def test_an_upstream_that_does_not_answer_is_reported_until_it_is_removed(tmp_path: Path) -> None:
    """By /readyz, which names those in use alone."""
    with served(tmp_path) as it:

        def reported() -> str:
            url = f"http://127.0.0.1:{it.installation.api}/readyz"
            return it.installation.curl("-u", it.installation.admin.pair, url)

        until(lambda: "upstream default" in reported())
        it.configure(
            upstream=None,
            upstreams={"more": {"url": f"http://127.0.0.1:{free_port()}"}},
            routes=[{"path": "/**", "upstream": "more"}],
        )
        it.hang_up()
        until(lambda: "upstream more" in reported())
        assert "upstream default" not in reported()
