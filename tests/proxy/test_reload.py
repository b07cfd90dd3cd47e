"""What a reload takes over while requests are served, and what happens where it cannot."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from aiohttp import ClientSession

from proxy.domain.model import State
from tests.harness import World, running_world, status, until
from tests.patience import PATIENCE
from tests.proxy.gateway.test_revocation import begun, cut
from tests.proxy.gateway.test_tunnel import OFFER
from tests.reloading import Reloading

TARGET = b"/v1/projects/a/x"


async def ask(
    world: World, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *lines: bytes
) -> int:
    """The status of a request on a connection that is kept."""
    writer.write(world.request(TARGET, *lines, close=False))
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
    return status(head)


async def test_kept_connections_follow_the_new_routes_with_their_next_request(
    tmp_path: Path,
) -> None:
    """Also with the same head as before, for which a verdict was remembered."""
    async with running_world(tmp_path) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        for _ in range(3):
            assert await ask(world, reader, writer) == 200
        reloading = Reloading(world)
        for access, expected in (("admin", 403), ("public", 200)):
            routes = [{"path": "/v1/projects/{environment}/**", "access": access}]
            await reloading.set(routes=routes)
            for _ in range(3):
                assert await ask(world, reader, writer) == expected
        await reloading.set(routes=[{"path": "/else"}])
        assert await ask(world, reader, writer) == 403
        writer.close()


async def test_kept_connections_follow_the_new_limits_and_trusted_proxies(tmp_path: Path) -> None:
    """A proxy that is not trusted any more is not believed, though it keeps its connection."""
    forwarded = b"X-Forwarded-For: 203.0.113.7"
    async with running_world(tmp_path, trusted_proxies=["127.0.0.1"]) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        reloading = Reloading(world)
        for trusted in ([], ["127.0.0.1"]):
            for _ in range(2):
                assert await ask(world, reader, writer, forwarded) == 200
            believed = b"X-Forwarded-For: 203.0.113.7, 127.0.0.1\r\n" in world.upstream.requests[-1]
            assert believed != bool(trusted)
            await reloading.set(trusted_proxies=trusted)
        assert await ask(world, reader, writer, forwarded) == 200
        assert b"203.0.113.7" in world.upstream.requests[-1]
        writer.write(world.request(TARGET, *[b"X: y"] * 20, close=False)[:-2])
        await until(lambda: world.inside.head_in_progress)
        await reloading.set(limits={"fields": 10})
        writer.write(b"\r\n")
        assert status(await reader.readuntil(b"\r\n\r\n")) == 431
        writer.close()


@pytest.mark.parametrize("fields", [(), OFFER], ids=["answer", "tunnel"])
async def test_what_is_in_progress_goes_on_and_still_ends_with_its_key(
    tmp_path: Path, fields: tuple[bytes, ...]
) -> None:
    """Also where the new routes would not permit it: they count for new requests."""
    async with running_world(tmp_path) as world, begun(world, *fields) as reader:
        await Reloading(world).set(routes=[{"path": "/else", "access": "admin"}])
        for _ in range(30):
            await reader.readexactly(6)
        await world.put(replace(world.user.key, state=State.INACTIVE))
        await asyncio.wait_for(cut(reader), PATIENCE)
        assert [line["reason"] for line in world.log()] == ["revoked"]


async def test_a_bad_configuration_is_refused_with_its_errors_and_the_old_one_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each with its line, as `check-config` reports it. What is refused lasts in /readyz until a
    good one comes."""
    async with running_world(tmp_path) as world:
        reloading, gateway = Reloading(world), world.node.gateway
        runtime, good = gateway.runtime, reloading.file.read_text()
        reloading.file.write_text("listen: nowhere\nupstream: http://h\naccess_log: /nowhere/log\n")
        with caplog.at_level(logging.WARNING, "wardgate"):
            await reloading.reloader.reload()
        summary, problem = caplog.messages
        assert summary == f"configuration {reloading.file} is refused: it has 1 problem; " + (
            "the one before stays in use"
        )
        assert problem.startswith(f"{reloading.file}:1: listen[0]: should be host:port")
        assert gateway.telemetry.health.current == [summary]
        assert gateway.runtime is runtime
        assert status(await world.send(world.request())) == 200
        reloading.file.write_text(good.replace(str(world.log_file), "/nowhere/log"))
        caplog.clear()
        await reloading.reloader.reload()
        (problem,) = caplog.messages
        assert problem.endswith(
            ": access_log: cannot write /nowhere/log: No such file or directory"
        )
        reloading.file.unlink()
        await reloading.reloader.reload()
        assert caplog.messages[-1].endswith("cannot read: No such file or directory")
        reloading.file.write_text(good)
        await reloading.reloader.reload()
        assert gateway.telemetry.health.current == []
        assert gateway.runtime is not runtime


async def test_what_needs_a_restart_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of the same configuration is used."""
    async with running_world(tmp_path) as world:
        with caplog.at_level(logging.WARNING, "wardgate"):
            await Reloading(world).set(bcrypt_rounds=5, public_url="http://public")
        assert caplog.messages == [
            "bcrypt_rounds has changed, and is kept as it was: restart to apply"
        ]
        assert world.node.endpoint_of(None) == "http://public"
        assert world.node.config.bcrypt_rounds == 4


async def test_the_access_log_is_opened_anew_and_loses_no_line(tmp_path: Path) -> None:
    """After its file was moved away, in another place, and also where the reload is refused."""
    async with running_world(tmp_path) as world:
        reloading = Reloading(world)
        moved, other = tmp_path / "access.log.1", tmp_path / "other.log"
        await world.send(world.request(TARGET + b"1"))
        world.log_file.rename(moved)
        await world.repeat(5, TARGET + b"2")
        await reloading.set()
        await world.send(world.request(TARGET + b"3"))
        await reloading.set(access_log=str(other))
        await world.send(world.request(TARGET + b"4"))
        other.rename(tmp_path / "other.log.1")
        good = reloading.file.read_text()
        reloading.file.write_text("nonsense: true")
        await reloading.reloader.reload()
        await world.send(world.request(TARGET + b"5"))
        reloading.file.write_text(good)
        await reloading.set(access_log="off")
        await world.send(world.request(TARGET + b"6"))
        await reloading.set(access_log=str(world.log_file))
        await world.send(world.request(TARGET + b"7"))
        world.log()
        files = (moved, tmp_path / "other.log.1", other, world.log_file)
        assert [
            [line.partition('"path":"')[2][16] for line in each.read_text().splitlines()]
            for each in files
        ] == [["1", *"22222"], ["4"], ["5"], ["3", "7"]]


async def test_a_pipe_that_nobody_reads_does_not_hold_a_reload_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The lines go where they went before."""
    os.mkfifo(tmp_path / "pipe")
    async with running_world(tmp_path) as world:
        await Reloading(world).set(access_log=str(tmp_path / "pipe"))
        assert caplog.messages[-1] == (
            f"access_log {tmp_path}/pipe: No such device or address; "
            "its lines go where they went before"
        )
        await world.send(world.request())
        assert len(world.log()) == 1


class Certificate:
    """A certificate and its key in files of a folder, as Kubernetes mounts them: links to a folder
    that is a link itself, which is exchanged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._number = 0
        self.ca = trustme.CA()
        for name in ("tls.crt", "tls.key"):
            (folder / name).symlink_to(f"..data/{name}")
        self.renew()

    @property
    def settings(self) -> dict[str, str]:
        """A `tls` section of the configuration."""
        return {
            "certificate": str(self.folder / "tls.crt"),
            "key": str(self.folder / "tls.key"),
        }

    def renew(self, *, key: bool = True) -> None:
        """Put a new certificate in place, and its key too unless `key` is false."""
        issued = self.ca.issue_cert("127.0.0.1")
        (folder := self.folder / f"..{self._number}").mkdir()
        self._number += 1
        (folder / "tls.crt").write_bytes(issued.cert_chain_pems[0].bytes())
        self.key = issued.private_key_pem.bytes()
        (folder / "tls.key").write_bytes(self.key if key else b"-----BEGIN")
        (link := self.folder / "..new").symlink_to(folder.name)
        link.rename(self.folder / "..data")

    def client(self) -> ssl.SSLContext:
        """The context of a client that trusts it."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context


async def shown(certificate: Certificate, port: int) -> bytes:
    """The certificate that a server on this port shows."""
    context = certificate.client()
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return found
    finally:
        writer.close()


async def test_a_renewed_certificate_is_noticed_once_it_is_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """New connections get it, at the gateway and the admin server, and the others go on. Where its
    key is missing, the log says so once."""
    (folder := tmp_path / "tls").mkdir()
    certificate = Certificate(folder)
    admin = {"listen": "127.0.0.1:0", "tls": certificate.settings}
    async with running_world(tmp_path, tls=certificate.settings, admin=admin) as world:
        reloader = Reloading(world).reloader
        ports = world.port, int(world.node.admin_urls[0].rpartition(":")[2])
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", world.port, ssl=certificate.client()
        )
        assert await ask(world, reader, writer) == 200
        first = [await shown(certificate, port) for port in ports]
        caplog.set_level(logging.INFO, "wardgate")
        caplog.clear()
        await reloader.take_files()
        assert caplog.messages == []
        certificate.renew(key=False)
        for _ in range(3):
            await reloader.take_files()
        assert caplog.messages == [
            f"the files of {name} cannot be used: certificate: this file and the key should be PEM "
            "files that belong together; what was in them before stays in use"
            for name in ("tls", "admin.tls")
        ]
        assert world.node.gateway.telemetry.health.current == caplog.messages
        assert [await shown(certificate, port) for port in ports] == first
        (folder / "tls.key").write_bytes(certificate.key)
        await reloader.take_files()
        assert caplog.messages[-2:] == [
            f"the files of {name} can be used again" for name in ("tls", "admin.tls")
        ]
        second = [await shown(certificate, port) for port in ports]
        assert second[0] == second[1] != first[0]
        certificate.renew()
        await reloader.take_files()
        assert "the files of tls have changed, and are in use" in caplog.messages
        assert await shown(certificate, world.port) != second[0]
        assert await ask(world, reader, writer) == 200
        writer.close()


async def test_a_changed_token_is_sent_from_the_next_request_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty one is not taken, and keeps no other file from being taken."""
    tokens = [tmp_path / name for name in "ab"]
    for each in tokens:
        each.write_text("Bearer old")
    async with running_world(tmp_path) as world:
        reloading = Reloading(world)
        url = f"http://127.0.0.1:{world.upstream.port}"
        named = {each.name: {"url": url, "authorization_file": str(each)} for each in tokens}
        routes = [{"path": f"/{name}", "upstream": name} for name in named]
        await reloading.set(upstreams=named, routes=routes)

        async def sent(path: bytes) -> bytes:
            await world.send(world.request(path, pair=world.admin))
            return world.upstream.requests[-1].partition(b"\r\nAuthorization: ")[2].split(b"\r")[0]

        assert [await sent(b"/a"), await sent(b"/b")] == [b"Bearer old"] * 2
        tokens[0].write_text("")
        tokens[1].write_text("Bearer new")
        await reloading.reloader.take_files()
        assert [await sent(b"/a"), await sent(b"/b")] == [b"Bearer old", b"Bearer new"]
        assert len(world.node.gateway.telemetry.health.current) == 1
        tokens[0].unlink()
        await reloading.reloader.take_files()
        (trouble,) = world.node.gateway.telemetry.health.current
        assert "authorization_file: cannot read this file: No such file or directory" in trouble
        assert await sent(b"/a") == b"Bearer old"
        tokens[0].write_text("Bearer old")
        await reloading.reloader.take_files()
        assert world.node.gateway.telemetry.health.current == []


async def test_another_secret_of_the_openid_client_is_used_without_a_signal(
    tmp_path: Path,
) -> None:
    """One that everybody can read is not taken, and the other stays in use."""
    (file := tmp_path / "client-secret").write_text("old")
    file.chmod(0o600)
    oidc = {"issuer": "https://h", "client_id": "w", "client_secret_file": str(file)}
    admin = {"listen": "127.0.0.1:0", "public_url": "https://keys.example", "oidc": oidc}
    async with running_world(tmp_path, admin=admin) as world:
        reloader = Reloading(world).reloader

        def secret() -> str:
            used = world.node.config.admin
            assert used is not None
            assert used.oidc is not None
            return used.oidc.client_secret.get_secret_value()

        file.write_text("new")
        file.chmod(0o644)
        await reloader.take_files()
        assert secret() == "old"
        (trouble,) = world.node.gateway.telemetry.health.current
        assert "client_secret_file: everybody can use this file" in trouble
        file.chmod(0o600)
        await reloader.take_files()
        assert secret() == "new"
        assert world.node.gateway.telemetry.health.current == []


async def test_the_admin_server_answers_to_its_new_names_and_url(tmp_path: Path) -> None:
    """The links in its answers begin with the new URL."""
    async with running_world(tmp_path, admin={"listen": "127.0.0.1:0"}) as world:
        headers = {"Authorization": world.admin.credentials.authorization}
        async with ClientSession(world.node.admin_urls[0], headers=headers) as session:

            async def link(host: str) -> str | None:
                async with session.get("/v2-beta/apikeys", headers={"Host": host}) as answer:
                    found: str | None = (await answer.json()).get("links", {}).get("self")
                    return found

            assert await link("admin.example") is None
            admin = {"listen": "127.0.0.1:0", "hosts": ["admin.example"]}
            await Reloading(world).set(admin=admin | {"public_url": "https://keys.example"})
            assert await link("admin.example") == "https://keys.example/v2-beta/apikeys"


async def test_reloads_that_are_asked_for_during_one_lead_to_one_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a reload that fails in an unforeseen way is not the last one."""
    async with running_world(tmp_path) as world:
        reloader = Reloading(world).reloader
        asked, begun, go_on, count = asyncio.Event(), asyncio.Event(), asyncio.Event(), 0

        async def reload() -> None:
            nonlocal count
            count += 1
            begun.set()
            await go_on.wait()
            raise RuntimeError("a fault")

        monkeypatch.setattr(reloader, "reload", reload)
        following = asyncio.ensure_future(reloader.follow(asked))
        asked.set()
        await begun.wait()
        for _ in range(3):
            asked.set()
            await asyncio.sleep(0)
        go_on.set()
        await until(lambda: count == 2)
        await asyncio.sleep(0)
        assert not asked.is_set()
        following.cancel()
