"""A PostgreSQL server that cannot be used: one clear error, and nothing is changed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
import trustme

from proxy.domain.errors import StoreUnavailable
from proxy.store.open import open_store
from proxy.store.postgres import address
from proxy.store.protocols import StoreError
from tests.programs import free_port
from tests.support.in_tls import in_tls
from tests.support.postgres import server


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server with a role `wardgate`, whose password is `sesame`, and one that only
    reads."""
    port = free_port()
    with server() as made:
        made.stop()
        made.put("pg_hba.conf", b"local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        made.port = port
        made.start()
        made.sql("CREATE ROLE wardgate LOGIN PASSWORD 'sesame'")
        made.sql("CREATE ROLE reader LOGIN PASSWORD 'sesame'")
        made.sql("CREATE DATABASE wardgate OWNER wardgate")
        yield port


def url_of(port: int, host: str = "127.0.0.1", user: str = "wardgate") -> str:
    """The URL of the server's database."""
    return f"postgresql://{user}@{host}:{port}/wardgate"


@pytest.fixture
def authority() -> trustme.CA:
    """The authority of the server's certificate, which is for `localhost`."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    """The authority's certificate."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
async def encrypted(port: int, authority: trustme.CA) -> AsyncIterator[int]:
    """The port at which the server speaks TLS. (That of the package is built without: this is what
    another build would do.)"""
    connect = partial(asyncio.open_connection, "127.0.0.1", port)
    async with in_tls(authority.issue_cert("localhost"), "127.0.0.1", connect) as listening:
        yield listening


async def test_a_right_password_and_a_verified_certificate_open_the_store(
    encrypted: int, ca_file: str
) -> None:
    """With the name that the certificate is for."""
    url = url_of(encrypted, "localhost")
    store = await open_store(url, create=True, password="sesame", ca_file=ca_file)
    assert not await store.has_admin()
    await store.close()


@pytest.mark.parametrize("password", ["wrong", None])
async def test_a_wrong_password_is_told_and_not_repeated(port: int, password: str | None) -> None:
    """By the server's own words."""
    with pytest.raises(StoreError, match="cannot be used: password authentication failed") as told:
        await open_store(url_of(port), create=True, password=password)
    assert "wrong" not in str(told.value)


async def test_a_password_that_was_changed_counts_from_the_next_connection_on(port: int) -> None:
    """Those that there are go on by the one before: a node need not be started again."""
    given = ["sesame"]
    store = await open_store(url_of(port), create=True, password=lambda: given[0])
    given[0] = "wrong"
    with pytest.raises(StoreUnavailable, match="password authentication failed"):
        await store.has_admin()
    given[0] = "sesame"
    assert not await store.has_admin()
    given[0] = "wrong"
    assert not await store.has_admin()
    await store.close()

    def missing() -> str:
        raise OSError("postgres.password_file: cannot read this file")

    with pytest.raises(StoreError, match=r"cannot be used: postgres\.password_file: cannot read"):
        await open_store(url_of(port), password=missing)


async def test_a_certificate_for_another_name_is_refused(encrypted: int, ca_file: str) -> None:
    """Nothing is sent to such a server."""
    with pytest.raises(StoreError, match=r"its certificate does not verify: .*not valid for"):
        await open_store(url_of(encrypted), create=True, password="sesame", ca_file=ca_file)


async def test_a_certificate_of_an_unknown_authority_is_refused(
    encrypted: int, tmp_path: Path
) -> None:
    """As of somebody in between."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    url = url_of(encrypted, "localhost")
    with pytest.raises(StoreError, match="its certificate does not verify"):
        await open_store(url, create=True, password="sesame", ca_file=str(other))


async def test_a_server_without_tls_is_refused_where_it_is_asked_for(
    port: int, ca_file: str
) -> None:
    """As it is on every other machine."""
    with pytest.raises(StoreError, match=r"cannot be used: .*rejected SSL"):
        await open_store(url_of(port), create=True, password="sesame", ca_file=ca_file)


async def test_a_server_that_never_answers_does_not_use_up_the_time_of_the_next(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where its machine is switched off. Where none answers, that is told."""
    monkeypatch.setattr(address, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        gone = f"wardgate@127.0.0.1:{silent.getsockname()[1]}"
        url = f"postgresql://{gone},127.0.0.1:{port}/wardgate"
        store = await open_store(url, create=True, password="sesame")
        assert not await store.has_admin()
        await store.close()
        with pytest.raises(StoreError, match="cannot be used: it does not answer"):
            await open_store(f"postgresql://{gone}/wardgate", password="sesame")


async def test_a_role_that_only_reads_cannot_make_a_store(port: int) -> None:
    """By the server's own words."""
    with pytest.raises(StoreError, match="cannot be used: permission denied"):
        await open_store(url_of(port, user="reader"), create=True, password="sesame")


async def test_a_pooler_is_told_by_what_it_refuses() -> None:
    """PgBouncer 1.18 answers so in every mode, since it cannot pass a node's settings on."""
    told = b"SFATAL\0C08P01\0Munsupported startup parameter: search_path\0\0"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(b"E" + (len(told) + 4).to_bytes(4, "big") + told)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(StoreError, match="a pooler is in between, which a node cannot use"):
            await open_store(url_of(port), create=True)


async def test_nobody_who_listens_is_an_error() -> None:
    """With the cause."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(StoreError, match=r"cannot be used: .*onnect"):
            await open_store(f"postgresql://u@127.0.0.1:{port}/w")


async def test_a_standby_is_refused() -> None:
    """It cannot answer a beat."""
    with server() as primary:
        url = primary.new_url()
        await (await open_store(url, create=True)).close()
        with server(of=primary) as standby:
            there = url.replace(str(primary.folder), str(standby.folder))
            with pytest.raises(StoreError, match="no server of it takes writes: it is a standby"):
                await open_store(there)
