"""The field traceparent, by which servers know the trace that a request belongs to. Pure, no I/O.

Source: W3C Trace Context, https://www.w3.org/TR/trace-context/#traceparent-header

Tested in `tests/proxy/http1/test_traceparent.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

FIELDS: Final = frozenset({b"traceparent", b"tracestate"})
_PARENT: Final = re.compile(
    rb"[ \t]*(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
    rb"(-[!-~]*)?[ \t]*"
).fullmatch
MAX_STATE: Final = 512
"""Bytes of tracestate that are passed on; more is dropped (section 3.3.1.5 asks for so many)."""


class Parent(NamedTuple):
    """Where a request comes from, as its sender says."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""
    sampled: bool
    """Whether its sender keeps the trace."""


def parent_of(values: Sequence[bytes] | None) -> Parent | None:
    """The parent that the values of traceparent name; None where there is none, or not one that is
    well formed. What a later version appends is ignored."""
    if values is None or len(values) != 1:
        return None
    match = _PARENT(values[0])
    if match is None or (match[1] == b"00" and match[5] is not None):
        return None
    return Parent(match[2].decode(), match[3].decode(), bool(int(match[4], 16) & 1))


def trace_lines(
    trace_id: str, span_id: str, *, sampled: bool, state: Sequence[bytes] | None = None
) -> bytes:
    """The field lines for the next server. `state` are the values of tracestate that came with the
    parent."""
    line = b"traceparent: 00-%b-%b-%02x\r\n" % (trace_id.encode(), span_id.encode(), sampled)
    given = b",".join(each.strip(b" \t") for each in state or ())
    return line + b"tracestate: %b\r\n" % given if 0 < len(given) <= MAX_STATE else line
