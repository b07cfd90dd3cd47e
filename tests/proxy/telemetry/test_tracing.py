"""Each request belongs to a trace, of which some are exported."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from proxy.http1.traceparent import Parent, parent_of
from proxy.telemetry.tracing import Trace, Tracer, new_id

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = [f"00-{TRACE}-{SPAN}-01".encode()]
NOT_SAMPLED = [f"00-{TRACE}-{SPAN}-00".encode()]


class Exported(Trace):
    """A trace that is to be exported."""

    sampled = True


class Exporter:
    """Keeps what it is to export."""

    def __init__(self) -> None:
        self.parents: list[Parent | None] = []

    def begin(self, started: float, parent: Parent | None, state: Sequence[bytes] | None) -> Trace:
        self.parents.append(parent)
        return Exported(new_id(128) if parent is None else parent.trace_id, state)

    def close(self) -> None: ...


def sent(trace: Trace) -> Parent | None:
    """What the upstream learns."""
    lines = dict(line.split(b": ") for line in trace.to_upstream("default").split(b"\r\n") if line)
    return parent_of([lines[b"traceparent"]])


@pytest.mark.parametrize(("chance", "exported"), [(0.0, True), (0.49, True), (0.5, False)])
def test_a_share_of_the_traces_that_begin_here_is_exported(chance: float, exported: bool) -> None:
    """The upstream learns whether it is."""
    exporter = Exporter()
    trace = Tracer(exporter, 0.5, lambda: chance).begin(0.0, {}, trusted=False)
    found = sent(trace)
    assert found is not None
    assert (found.trace_id, found.sampled) == (trace.trace_id, exported)
    assert len(exporter.parents) == exported


@pytest.mark.parametrize(
    ("parent", "trusted", "exported"),
    [
        (SAMPLED, True, True),
        (NOT_SAMPLED, True, False),
        (SAMPLED, False, False),
        (NOT_SAMPLED, False, False),
    ],
)
def test_only_a_trusted_proxy_has_a_trace_exported(
    parent: list[bytes], trusted: bool, exported: bool
) -> None:
    """Whoever it is, its trace is continued, under another id within it."""
    tracer = Tracer(Exporter(), 0.0)
    found = sent(tracer.begin(0.0, {b"traceparent": parent}, trusted=trusted))
    assert found is not None
    assert (found.trace_id, found.sampled) == (TRACE, exported)
    assert found.span_id != SPAN


def test_a_trusted_proxy_decides_against_an_export_too() -> None:
    """Whatever share is exported of the others."""
    tracer = Tracer(Exporter(), 1.0)
    assert not tracer.begin(0.0, {b"traceparent": NOT_SAMPLED}, trusted=True).sampled
    assert tracer.begin(0.0, {b"traceparent": NOT_SAMPLED}, trusted=False).sampled


def test_a_state_without_its_parent_is_dropped() -> None:
    """It says something of another trace."""
    tracer, state = Tracer(Exporter(), 0.0), [b"vendor=1"]
    with_parent = tracer.begin(0.0, {b"traceparent": SAMPLED, b"tracestate": state}, trusted=False)
    without = tracer.begin(0.0, {b"traceparent": [b"x"], b"tracestate": state}, trusted=False)
    assert b"tracestate: vendor=1\r\n" in with_parent.to_upstream("default")
    assert b"tracestate" not in without.to_upstream("default")


def test_each_attempt_has_an_id_of_its_own() -> None:
    """Since an upstream may have seen the one before."""
    trace = Tracer(Exporter(), 0.0).begin(0.0, {}, trusted=False)
    first, second = sent(trace), sent(trace)
    assert first is not None
    assert second is not None
    assert first.trace_id == second.trace_id
    assert first.span_id != second.span_id
