"""A PostgreSQL that speaks TLS: that of the package is built without, and this is what another
build would do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeAlias

import trustme

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_SSL_REQUEST: Final = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""By which a client asks for TLS (PostgreSQL's protocol, section 54.2.10)."""


@asynccontextmanager
async def in_tls(
    certificate: trustme.LeafCert, host: str, connect: Callable[[], Awaitable[Streams]]
) -> AsyncIterator[int]:
    """The port at `host` on which TLS is spoken in front of the server that `connect` leads to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            assert await reader.readexactly(8) == _SSL_REQUEST
            writer.write(b"S")
            await writer.start_tls(context)
            there, back = await connect()
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        writer.close()

    listener = await asyncio.start_server(serve, host, 0)
    yield listener.sockets[0].getsockname()[1]
    listener.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
