"""Traces: the way of a request through several servers.

The rule that lives here: each request belongs to a trace, its client's or a new one, and the
upstream and the access log learn which. Of the traces, only some are exported (`telemetry.otlp`).
A client's wish to have its trace exported counts only if it comes through a trusted proxy: others
could have all of theirs exported.

Tested in `tests/proxy/telemetry/test_tracing.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Final, Protocol, TypeAlias

from proxy.config.tracing import Tracing
from proxy.domain.errors import WardgateError
from proxy.http1.traceparent import Parent, parent_of, trace_lines

Attributes: TypeAlias = Mapping[str, str | int]
MISSING: Final = "needs more packages: install them with pip install 'wardgate[tracing]'"


class Trace:
    """The part of a trace that is one request at the gateway. This one is not exported."""

    sampled = False
    """Whether it is, and so needs to be told how the request ended."""

    def __init__(self, trace_id: str, state: Sequence[bytes] | None) -> None:
        """`state` are the values of tracestate that came with the parent."""
        self.trace_id = trace_id
        self._state = state

    def to_upstream(self, name: str) -> bytes:
        """The field lines for the upstream `name`, to which the request goes now."""
        return self._lines(new_id(64))

    def _lines(self, span_id: str) -> bytes:
        return trace_lines(self.trace_id, span_id, sampled=self.sampled, state=self._state)

    def end(self, name: str, attributes: Attributes, decided: float | None) -> None:
        """The request, of which these are the name and the attributes, has ended. `decided` is when
        it was decided on, in monotonic seconds."""


class Exporter(Protocol):
    """Where traces are exported."""

    def begin(self, started: float, parent: Parent | None, state: Sequence[bytes] | None) -> Trace:
        """A trace that is exported at its end. The arguments are as for `Tracer.begin`."""
        ...

    def close(self) -> None:
        """Export what is left, which may take seconds."""


class Tracer:
    """Begins a trace for each request of a node, and has some of them exported."""

    def __init__(
        self, exporter: Exporter, share: float, chance: Callable[[], float] = random.random
    ) -> None:
        """`share` of the traces without a trusted parent is exported: those for which `chance` is
        below it."""
        self._exporter = exporter
        self._share = share
        self._chance = chance

    def begin(
        self, started: float, fields: Mapping[bytes, Sequence[bytes]], *, trusted: bool
    ) -> Trace:
        """The trace of a request that came at `started`, in monotonic seconds, with the values of
        `fields` (`traceparent.FIELDS`). `trusted`: it came through a trusted proxy."""
        parent = parent_of(fields.get(b"traceparent"))
        state = None if parent is None else fields.get(b"tracestate")
        by_chance = self._chance() < self._share
        if parent.sampled if parent is not None and trusted else by_chance:
            return self._exporter.begin(started, parent, state)
        return Trace(new_id(128) if parent is None else parent.trace_id, state)

    def close(self) -> None:
        """Export what is left, which may take seconds."""
        self._exporter.close()


def new_id(bits: int) -> str:
    """A random id that is not zero, as hexadecimal digits."""
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"


def can_trace() -> bool:
    """Whether what exports traces is installed."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def tracer_of(given: Tracing | None) -> Tracer | None:
    """The tracer that the configuration asks for, if it does. Raises `WardgateError` where a
    package is missing."""
    if given is None:
        return None
    if not can_trace():
        raise WardgateError(f"tracing {MISSING}")
    from proxy.telemetry.otlp import Otlp  # noqa: PLC0415 - it may not be installed

    secret = given.authorization
    value = None if secret is None else secret.get_secret_value()
    return Tracer(Otlp(given.endpoint, given.service_name, value), given.share)
