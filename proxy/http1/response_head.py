"""A response's head: its status line, its fields, and what follows from both together.

Tested in `tests/proxy/gateway/test_response.py` and `tests/hostile/test_answers.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from proxy.http1.faults import Fault, Malformed
from proxy.http1.grammar import FIELD_BLOCK, status_line
from proxy.http1.response_fields import ResponseFields

NO_CONTENT: Final = 204
NOT_MODIFIED: Final = 304
UPGRADE_REQUIRED: Final = 426
MAX_HEAD: Final = 64 * 1024
"""Bytes of a head."""


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
    keep: bool
    """Whether another request may follow on its connection, as far as the response tells."""
    lines: bytes
    """The field lines that are passed on, and those that are written anew: Content-Length, and
    Upgrade of a 426."""

    own_values: Sequence[bytes]
    """The values in which the next response may differ, while all else is as it is here."""

    @property
    def blanked(self) -> bytes:
        """`lines`, with a `BLANK` for each of `own_values`."""
        return self.fields.blanked if self.own_values else self.lines


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
    keep = not fields.close and (modern or fields.keep_alive)
    lines = fields.end_to_end + fields.framing
    bodiless = status in {NO_CONTENT, NOT_MODIFIED}
    if bodiless:
        keep = keep and not _promises_body(status, fields)
        if status == NO_CONTENT:
            lines = fields.end_to_end
    elif fields.fault is not None:
        raise Malformed(fields.fault)
    elif fields.chunked and not modern:
        raise Malformed(Fault.TRANSFER_ENCODING)
    elif status == UPGRADE_REQUIRED and fields.required:
        lines += b"Connection: Upgrade\r\nUpgrade: %b\r\n" % fields.required
    bodiless = bodiless or status < 200 or head_only
    depends = bodiless or fields.located or status == UPGRADE_REQUIRED
    own_values = () if depends else fields.own_values
    return Response(line[8:], status, modern, fields, bodiless, keep, lines, own_values)


def _promises_body(status: int, fields: ResponseFields) -> bool:
    """Whether the fields of a 204 or 304 announce a body, which it never has (RFC 9112 section 6.3)
    but which may follow all the same. A 304 may have the length of the representation (RFC 9110
    section 8.6), and many have."""
    return bool(fields.fault or fields.chunked or (status == NO_CONTENT and fields.length))
