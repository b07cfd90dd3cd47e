"""What is answered to bytes that never became a request."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from admin.server import OfficeRunner
from tests.admin.office import Office


@pytest.fixture
async def port(office: Office) -> AsyncIterator[int]:
    """Where the office is served as it is in production."""
    app = office.client.app
    assert app is not None
    runner = OfficeRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def send(port: int, *pieces: bytes) -> bytes:
    """Send the pieces one by one, close that side, and read until the office closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.05)  # so that each is likely to arrive on its own
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def head(office: Office, *lines: str) -> bytes:
    """A POST to the keys with the admin's credentials."""
    fields = [
        "POST /v2-beta/apikeys HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        f"Authorization: {office.admin.authorization}",
        *lines,
    ]
    return "\r\n".join([*fields, "", ""]).encode("latin-1")


@pytest.mark.parametrize("line", ["Authorization", "garbage", "Host"])
async def test_what_is_no_request(
    office: Office, port: int, caplog: pytest.LogCaptureFixture, line: str
) -> None:
    """Bytes that are no HTTP are refused in the usual body, and neither echoed nor logged."""
    bad = {
        "Authorization": head(office).replace(b"\r\n\r\n", b"\x01\r\n\r\n"),
        "garbage": office.admin.authorization.encode() + b"\r\n\r\n",
        "Host": head(office, "Host: other"),
    }
    with caplog.at_level(logging.DEBUG):
        answer = await send(port, bad[line])
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.0 400 ")
    assert b"aiohttp" not in top
    assert json.loads(body)["code"] == "BadRequest"
    credentials = office.admin.authorization.removeprefix("Basic ")
    assert credentials[:20].encode() not in answer
    assert credentials[:20] not in caplog.text


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("Content-Length: 5", b"{}"),
        ("Transfer-Encoding: chunked", b"2\r\n{}\r\nzz\r\n"),
        ("Transfer-Encoding: chunked", b"2\r\n{"),
    ],
)
async def test_bodies_that_do_not_end(
    office: Office, port: int, caplog: pytest.LogCaptureFixture, framing: str, body: bytes
) -> None:
    """A body that ends early or is framed wrongly makes no key, and is no failure of the office."""
    with caplog.at_level(logging.ERROR):
        answer = await send(port, head(office, framing), body)
    assert not answer or answer[9:12] == b"400"
    assert await office.store.get_key(2) is None
    assert caplog.text == ""


async def test_expectations(office: Office, port: int) -> None:
    """100-continue is answered, any other expectation refused without telling the server's make."""
    framing = "Content-Length: 2"
    answer = await send(port, head(office, framing, "Expect: 100-continue"), b"{}")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ")
    answer = await send(port, head(office, framing, "Expect: miracles"), b"{}")
    assert answer.startswith(b"HTTP/1.1 417 ")
    assert b"aiohttp" not in answer


async def test_compressed_bodies(
    office: Office, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody has one inflated, nor the log filled with what cannot be."""
    for credentials, status in ((head(office), b"415"), (b"", b"401")):
        start = credentials or b"POST /v2-beta/apikeys HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        framing = b"\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n"
        with caplog.at_level(logging.DEBUG):
            answer = await send(port, start.removesuffix(b"\r\n\r\n") + framing + b"abcd")
        assert answer[9:12] == status
    assert "Traceback" not in caplog.text
