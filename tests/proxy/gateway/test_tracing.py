"""A request that is traced is one span with its decision and its upstream, at a real receiver."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.harness import World, running_world, status
from tests.upstream import OK

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"traceparent: 00-{TRACE}-{SPAN}-01".encode()


class Receiver:
    """Takes traces by OTLP over HTTP."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.spans: list[Span] = []
        self.service = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                assert length is not None
                export = ExportTraceServiceRequest.FromString(
                    await reader.readexactly(int(length[1]))
                )
                self.heads.append(head)
                for each in export.resource_spans:
                    named = {one.key: one.value.string_value for one in each.resource.attributes}
                    self.service = named["service.name"]
                    for scope in each.scope_spans:
                        self.spans += scope.spans
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()

    def named(self, name: str) -> Span:
        """The only span with that name."""
        (found,) = (span for span in self.spans if span.name == name)
        return found


@asynccontextmanager
async def traced(
    folder: Path, more: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[tuple[World, Receiver]]:
    """A gateway that exports its traces. All are at the receiver once it has stopped."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/traces"
    tracing = {"endpoint": endpoint} | settings
    async with running_world(folder, tracing=tracing, **(more or {})) as world:
        yield world, receiver
    server.close()


def told(span: Span) -> dict[str, str | int]:
    """The attributes of a span."""
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


async def test_a_request_is_a_span_with_its_decision_and_its_upstream(tmp_path: Path) -> None:
    """The upstream's own spans go below that of the upstream; the log has the trace."""
    authorization = tmp_path / "otlp"
    authorization.write_text("Bearer hunter2")
    async with traced(
        tmp_path, share=1.0, service_name="edge", authorization_file=str(authorization)
    ) as (world, receiver):
        answer = await world.send(world.request(b"/v1/projects/a/x?secret=1"))
        assert status(answer) == 200
        (line,) = world.log()
        (request,) = world.upstream.requests
    route = "/v1/projects/{environment}/**"
    whole = receiver.named(f"GET {route}")
    decision, upstream = receiver.named("decision"), receiver.named("upstream")
    assert line["trace"] == whole.trace_id.hex()
    assert {span.trace_id for span in receiver.spans} == {whole.trace_id}
    assert {span.parent_span_id for span in (decision, upstream)} == {whole.span_id}
    assert whole.parent_span_id == b""
    sent = re.search(rb"traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-01\r\n", request)
    assert sent is not None
    assert sent.groups() == (whole.trace_id.hex().encode(), upstream.span_id.hex().encode())
    assert told(whole) == {
        "http.request.method": "GET",
        "url.path": "/v1/projects/a/x",
        "client.address": "127.0.0.1",
        "http.response.status_code": 200,
        "http.route": route,
        "wardgate.key": "1c3",
        "wardgate.environment": "a",
    }
    assert told(upstream) == {"wardgate.upstream": "default"}
    for span in (decision, upstream):
        assert whole.start_time_unix_nano <= span.start_time_unix_nano
        assert span.start_time_unix_nano <= span.end_time_unix_nano <= whole.end_time_unix_nano
    assert receiver.service == "edge"
    assert b"Bearer hunter2" in receiver.heads[0]


async def test_a_refusal_is_a_span_without_an_upstream(tmp_path: Path) -> None:
    """With its reason."""
    async with traced(tmp_path, share=1.0) as (world, receiver):
        assert status(await world.send(world.request(b"/v1/projects/b/x"))) == 403
    (whole,) = (span for span in receiver.spans if span.parent_span_id == b"")
    assert told(whole)["error.type"] == world.log()[0]["reason"]
    assert told(whole)["http.response.status_code"] == 403
    assert {span.name for span in receiver.spans} == {whole.name, "decision"}


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_trace_that_a_client_began_is_continued(tmp_path: Path, trusted: bool) -> None:
    """It is exported if a trusted proxy asks for that, and none is exported otherwise. The upstream
    gets one traceparent, and the state of the trace as it came."""
    proxies = ["127.0.0.1"] if trusted else []
    async with traced(tmp_path, {"trusted_proxies": proxies}, share=0.0) as (world, receiver):
        await world.send(world.request(b"/v1/projects/a/x", SAMPLED, b"tracestate: vendor=1"))
        (request,) = world.upstream.requests
        (line,) = world.log()
    sent = re.findall(rb"(?i)traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])\r\n", request)
    ((trace_id, span_id, flags),) = sent
    assert (trace_id.decode(), flags) == (TRACE, b"01" if trusted else b"00")
    assert span_id.decode() != SPAN
    assert request.count(b"tracestate: vendor=1\r\n") == 1
    assert line["trace"] == TRACE
    assert {span.trace_id.hex() for span in receiver.spans} == ({TRACE} if trusted else set())


async def test_requests_of_one_connection_keep_their_traces_apart(tmp_path: Path) -> None:
    """Also where nothing else differs between their heads, or nothing at all."""
    ids = [f"{number:032x}" for number in (1, 2, 2, 3)]
    async with traced(tmp_path, share=0.0) as (world, _):
        lines = [f"traceparent: 00-{each}-{SPAN}-00".encode() for each in ids]
        heads = [world.request(b"/v1/projects/a/x", line, close=False) for line in lines]
        await world.send(b"".join(heads) + world.request())
        sent = [
            re.findall(r"traceparent: 00-([0-9a-f]{32})", request.decode())
            for request in world.upstream.requests
        ]
        logged = [line["trace"] for line in world.log()]
    assert sent[:-1] == [[each] for each in ids]
    assert logged[:-1] == ids
    assert sent[-1] == logged[-1:]


async def test_without_traces_a_traceparent_passes_as_it_is(tmp_path: Path) -> None:
    """The gateway adds nothing to the request, nor to its log."""
    async with running_world(tmp_path) as world:
        await world.send(world.request(b"/v1/projects/a/x", SAMPLED))
        (request,) = world.upstream.requests
        assert SAMPLED in request
        assert "trace" not in world.log()[0]


async def test_a_receiver_that_is_gone_holds_nobody_up(tmp_path: Path) -> None:
    """What cannot be exported is dropped."""
    tracing = {"endpoint": "http://127.0.0.1:9/v1/traces", "share": 1.0}
    async with running_world(tmp_path, tracing=tracing) as world:
        world.upstream.respond = lambda _: OK
        assert status(await world.send(world.request())) == 200
