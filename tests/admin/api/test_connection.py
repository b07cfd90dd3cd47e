"""Bytes on a connection to the admin server: what is answered to those that never became a request,
and to expectations."""

from __future__ import annotations

import json
import logging

import pytest

from tests.admin.admin_api import AdminApi
from tests.admin.api.raw import READY, head, send

KEYLESS_POST = b"POST /v2-beta/apikeys HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("line", ["Authorization", "garbage", "Host"])
async def test_bytes_that_are_no_request_are_neither_echoed_nor_logged(
    api: AdminApi, port: int, caplog: pytest.LogCaptureFixture, line: str
) -> None:
    """Bytes that are no HTTP are refused in the usual body, and neither echoed nor logged."""
    bad = {
        "Authorization": head(api).replace(b"\r\n\r\n", b"\x01\r\n\r\n"),
        "garbage": api.admin.authorization.encode() + b"\r\n\r\n",
        "Host": head(api, "Host: other"),
    }
    with caplog.at_level(logging.DEBUG):
        answer = await send(port, bad[line])
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.0 400 ")
    assert b"aiohttp" not in top
    assert json.loads(body)["code"] == "BadRequest"
    credentials = api.admin.authorization.removeprefix("Basic ")
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
async def test_a_body_that_does_not_end_as_announced_makes_no_key(
    api: AdminApi, port: int, caplog: pytest.LogCaptureFixture, framing: str, body: bytes
) -> None:
    """A body that ends early or is framed wrongly makes no key, and is no failure of the admin
    server."""
    with caplog.at_level(logging.ERROR):
        answer = await send(port, head(api, framing), body, shut=True)
    assert not answer or answer[9:12] == b"400"
    assert await api.store.get_key(2) is None
    assert caplog.text == ""


async def test_100_continue_is_sent_to_who_may_send_the_body_and_once_it_is_read(
    api: AdminApi, port: int
) -> None:
    """Neither without a key, nor for another host, nor where nothing is: a final answer ends the
    connection, since the body may follow or not."""
    expect = ("Content-Length: 2", "Expect: 100-Continue")
    answer = await send(port, head(api, *expect), b"{}")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ")
    kept = head(api, *expect).replace(b"Connection: close\r\n", b"")
    keyless = b"\r\n".join(line for line in kept.split(b"\r\n") if b"Authorization" not in line)
    for request, status in (
        (keyless, b"401"),
        (keyless.replace(b"/v2-beta", b"/nowhere"), b"401"),
        (kept.replace(b"/v2-beta", b"/nowhere"), b"404"),
        (kept.replace(b"POST", b"PUT"), b"405"),
        (kept.replace(b"127.0.0.1", b"elsewhere"), b"421"),
        (kept.replace(b"Content-Length", b"Content-Encoding: gzip\r\nContent-Length"), b"415"),
    ):
        answer = await send(port, request, shut=True)
        assert answer[:12] == b"HTTP/1.1 " + status, request
        assert b"\r\nConnection: close\r\n" in answer


async def test_other_expectations_are_refused_in_the_usual_body_without_repeating_them(
    api: AdminApi, port: int
) -> None:
    """Once the host and the key are right; with HTTP/1.0 they mean nothing."""
    request = head(api, "Content-Length: 2", "Expect: 100-continue", "Expect: miracles")
    answer = await send(port, request, b"{}")
    assert answer.startswith(b"HTTP/1.1 417 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "ExpectationFailed"
    assert b"miracles" not in answer
    assert b"aiohttp" not in answer
    healthz = b"GET /healthz HTTP/1.1\r\nHost: elsewhere\r\nExpect: miracles\r\n\r\n"
    assert (await send(port, healthz, shut=True)).startswith(b"HTTP/1.1 417 ")
    for wrong, status in (
        (request.replace(b"Authorization", b"X-Nothing"), b"401"),
        (request.replace(b"127.0.0.1", b"elsewhere"), b"421"),
    ):
        assert (await send(port, wrong, b"{}"))[9:12] == status
    old = request.replace(b"HTTP/1.1", b"HTTP/1.0")
    assert (await send(port, old, b"{}")).startswith(b"HTTP/1.0 201 ")


async def test_connect_is_refused_and_ends_the_connection(api: AdminApi, port: int) -> None:
    """What follows it may be the bytes of a tunnel: it is not read as a request."""
    key = f"Authorization: {api.admin.authorization}\r\n".encode()
    for line, host, more, status in (
        (b"CONNECT a:1", b"127.0.0.1", b"", b"401"),
        (b"CONNECT a:1", b"a:1", key, b"421"),
        (b"CONNECT 127.0.0.1:1", b"127.0.0.1", key, b"404"),
    ):
        request = line + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + more + b"\r\n"
        answer = await send(port, request + READY)
        assert answer[9:12] == status
        assert answer.count(b"HTTP/1.1 ") == 1


async def test_nobody_has_a_compressed_body_inflated(
    api: AdminApi, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody has one inflated, nor the log filled with what cannot be."""
    for start, status in ((head(api), b"415"), (KEYLESS_POST, b"401")):
        framing = b"\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n"
        with caplog.at_level(logging.DEBUG):
            answer = await send(port, start.removesuffix(b"\r\n\r\n") + framing + b"abcd")
        assert answer[9:12] == status
    assert "Traceback" not in caplog.text
