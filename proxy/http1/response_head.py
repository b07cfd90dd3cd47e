"""A response's head: its status line, its fields, and what follows from both together.

Tested in `tests/proxy/gateway/test_response.py` and `tests/hostile/test_answers.py`.
"""

from __future__ import annotations

from typing import NamedTuple

from proxy.http1.faults import Fault, Malformed
from proxy.http1.grammar import FIELD_BLOCK, status_line
from proxy.http1.response_fields import ResponseFields


class Response(NamedTuple):
    """The head of a response."""

    status_line: bytes
    """The status line after the version."""
    status: int
    modern: bool
    """Whether its version is 1.1."""
    fields: ResponseFields
    bodiless: bool
    """Whether it has no body, whatever the fields say."""


def read_response(data: bytes, end: int, last: Response | None, *, head_only: bool) -> Response:
    """Parse the head in `data`, whose empty line is at `end`. `last` is the head before it on the
    connection; `head_only` is whether the request was a HEAD. Raises `Malformed`."""
    line_end = data.find(b"\r\n")
    line = data[:line_end]
    parsed = status_line(line)
    if parsed is None:
        raise Malformed(Fault.STATUS_LINE)
    status, modern = parsed
    block = data[line_end + 2 : end + 4]
    fields = last.fields.again(block) if last else None
    if fields is None:
        if not FIELD_BLOCK(block):
            raise Malformed(Fault.FIELD)
        fields = ResponseFields(block)
    bodiless = status < 200 or status in {204, 304} or head_only
    return Response(line[8:], status, modern, fields, bodiless)
