"""Traces that are exported, by OpenTelemetry's SDK. Imported only where traces are configured.

Tested in `tests/proxy/gateway/test_tracing.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from proxy.http1.traceparent import Parent
from proxy.telemetry.tracing import Attributes, Trace

TIMEOUT: Final = 5
"""Seconds for an export. Spans that cannot be exported are dropped, and the log says so."""


class Otlp:
    """Exports by OTLP over HTTP, in a thread of its own. Implements `tracing.Exporter`."""

    def __init__(self, endpoint: str, service: str, authorization: str | None) -> None:
        """`authorization` is the value of the Authorization field for the endpoint."""
        headers = None if authorization is None else {"Authorization": authorization}
        resource = Resource.create({"service.name": service})
        # Which are exported is decided before they begin, and shutdown is the node's business.
        self._provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint, headers=headers, timeout=TIMEOUT)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._spans = self._provider.get_tracer("wardgate")

    def begin(self, started: float, parent: Parent | None, state: Sequence[bytes] | None) -> Trace:
        """Implements `Exporter`."""
        epoch = time.time_ns() - int(time.monotonic() * 1e9)
        kind, began = SpanKind.SERVER, epoch + int(started * 1e9)
        span = self._spans.start_span("request", _remote(parent), kind, start_time=began)
        within = set_span_in_context(span)

        def child(name: str, kind: SpanKind, at: float) -> Span:
            start = epoch + int(at * 1e9)
            return self._spans.start_span(name, within, kind, start_time=start)

        return _Exported(span, child, epoch, started, state)

    def close(self) -> None:
        """Implements `Exporter`."""
        self._provider.shutdown()


class _Exported(Trace):
    sampled = True

    def __init__(
        self,
        span: Span,
        child: Callable[[str, SpanKind, float], Span],
        epoch: int,
        started: float,
        state: Sequence[bytes] | None,
    ) -> None:
        """`child` begins a span within `span`, at a time in monotonic seconds. `epoch` is what to
        add to monotonic nanoseconds for those since 1970."""
        super().__init__(f"{span.get_span_context().trace_id:032x}", state)
        self._span = span
        self._child = child
        self._epoch = epoch
        self._started = started
        self._upstream: Span | None = None

    def to_upstream(self, name: str) -> bytes:
        now = time.monotonic()
        if self._upstream is not None:  # the attempt before has failed
            self._end(self._upstream, now)
        self._upstream = span = self._child("upstream", SpanKind.CLIENT, now)
        span.set_attribute("wardgate.upstream", name)
        return self._lines(f"{span.get_span_context().span_id:016x}")

    def end(self, name: str, attributes: Attributes, decided: float | None) -> None:
        now = time.monotonic()
        if decided is not None:
            self._end(self._child("decision", SpanKind.INTERNAL, self._started), decided)
        if self._upstream is not None:
            self._end(self._upstream, now)
        self._span.update_name(name)
        self._span.set_attributes(dict(attributes))
        if int(attributes["http.response.status_code"]) >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._end(self._span, now)

    def _end(self, span: Span, at: float) -> None:
        span.end(self._epoch + int(at * 1e9))


def _remote(parent: Parent | None) -> Context:
    """The context of a span whose parent is at another server; without one it begins a trace."""
    if parent is None:
        return Context()
    ids, flags = (int(parent.trace_id, 16), int(parent.span_id, 16)), TraceFlags(TraceFlags.SAMPLED)
    return set_span_in_context(NonRecordingSpan(SpanContext(*ids, True, flags)), Context())
