"""Upstreams that ask the gateway for a certificate, as mutual TLS does."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from proxy.reload import reread
from tests.harness import RecordingUpstream, World, running_world, status
from tests.reloading import Reloading
from tests.test_tls import Authority


class Client:
    """A certificate for the gateway, as files."""

    def __init__(self, folder: Path, authority: trustme.CA, name: str = "gateway.internal") -> None:
        self.certificate, self.key = folder / "client.crt", folder / "client.key"
        self.issue(authority, name)

    def issue(self, authority: trustme.CA, name: str) -> None:
        """Replace the files by those of a new certificate, as tools that renew them do."""
        issued = authority.issue_cert(name)
        for blob, path in (
            (issued.cert_chain_pems[0], self.certificate),
            (issued.private_key_pem, self.key),
        ):
            blob.write_to_path(f"{path}.new")
            os.replace(f"{path}.new", path)

    @property
    def settings(self) -> dict[str, str]:
        """Those of an upstream that asks for it."""
        return {"client_certificate": str(self.certificate), "client_key": str(self.key)}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Of the upstream, and of the certificates that it accepts."""
    (tmp_path / "upstream").mkdir()
    return Authority(tmp_path / "upstream")


class Demanding(RecordingUpstream):
    """An upstream that keeps the names in the certificates of its clients."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        certificate = writer.get_extra_info("peercert")
        self.names.append(certificate["subjectAltName"][0][1])
        await super().serve(reader, writer)


@asynccontextmanager
async def demanding(
    authority: Authority, upstream: RecordingUpstream, version: ssl.TLSVersion
) -> AsyncIterator[str]:
    """The URL of an upstream that serves nobody without a certificate of `authority`."""
    context = authority.server()
    authority.ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = version
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@VERSIONS
async def test_the_gateway_presents_its_certificate_to_an_upstream_that_asks_for_one(
    tmp_path: Path, authority: Authority, version: ssl.TLSVersion
) -> None:
    """By either version of TLS."""
    client, upstream = Client(tmp_path, authority.ca), Demanding()
    async with demanding(authority, upstream, version) as url:
        dial = {"url": url, "ca_file": str(authority.ca_file)} | client.settings
        async with running_world(tmp_path, dial=dial) as world:
            assert status(await world.send(world.request())) == 200
    assert set(upstream.names) == {"gateway.internal"}


@VERSIONS
@pytest.mark.parametrize("stranger", [False, True], ids=["none", "of-another-authority"])
async def test_an_upstream_that_does_not_accept_the_gateway_gives_a_502(
    tmp_path: Path, authority: Authority, version: ssl.TLSVersion, stranger: bool
) -> None:
    """Not a byte of the request reaches it. By TLS 1.2 it closes the connection in the middle of
    the handshake, by TLS 1.3 as soon as that is over."""
    upstream = Demanding()
    upstream.came.set()  # no connection ever will
    settings = Client(tmp_path, trustme.CA()).settings if stranger else {}
    async with demanding(authority, upstream, version) as url:
        dial = {"url": url, "ca_file": str(authority.ca_file)} | settings
        async with running_world(tmp_path, dial=dial) as world:
            assert status(await world.send(world.request())) == 502
            # How the end of the connection is seen depends on whether it comes before or after the
            # gateway's own end of the handshake.
            reasons = {"upstream-unreachable", "upstream-closed", "upstream-tls"}
            assert world.log()[-1]["reason"] in reasons
    assert upstream.seen == b""
    assert upstream.names == []


async def take_files(world: World) -> list[str]:
    """Use what is in the files now, as a serving process does every few seconds. Returns why some
    cannot be used."""
    config, causes, changed = reread(world.node.config)
    if changed:
        await world.node.reload(config)
    return [cause for cause in causes.values() if cause]


async def test_a_renewed_certificate_is_presented_from_the_next_request_on(
    tmp_path: Path, authority: Authority
) -> None:
    """A connection that was opened with the old one is not used again. A half of a pair is not
    taken: the old one stays in use until the other half is there."""
    client, upstream = Client(tmp_path, authority.ca, "old.internal"), Demanding()
    async with demanding(authority, upstream, ssl.TLSVersion.TLSv1_3) as url:
        dial = {"url": url, "ca_file": str(authority.ca_file)} | client.settings
        async with running_world(tmp_path, dial=dial) as world:
            assert status(await world.send(world.request())) == 200
            pool = world.pool
            assert await take_files(world) == []
            assert world.pool is pool
            old_key = client.key.read_bytes()
            client.issue(authority.ca, "new.internal")
            new_key = client.key.read_bytes()
            client.key.write_bytes(old_key)
            (why,) = await take_files(world)
            assert why == "client_key: is not the key of this certificate"
            assert world.pool is pool
            client.key.write_bytes(new_key)
            assert await take_files(world) == []
            assert world.pool is not pool
            assert status(await world.send(world.request())) == 200
    assert upstream.names[-1] == "new.internal"
    assert upstream.names.count("new.internal") in {1, 2}  # one may be only an attempt


async def test_a_reload_may_give_an_upstream_a_certificate(
    tmp_path: Path, authority: Authority
) -> None:
    """And take it away again."""
    client, upstream = Client(tmp_path, authority.ca), Demanding()
    async with demanding(authority, upstream, ssl.TLSVersion.TLSv1_2) as url:
        dial = {"url": url, "ca_file": str(authority.ca_file)}
        async with running_world(tmp_path, dial=dial) as world:
            reloading = Reloading(world)
            for settings, expected in (
                ({}, 502),
                (client.settings, 200),
                (dict.fromkeys(client.settings), 502),
            ):
                await reloading.set_upstream(**settings)
                assert status(await world.send(world.request())) == expected
