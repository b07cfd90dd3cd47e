"""Reads responses that arrive as a whole, each by the one before it. Pure.

Tested in `tests/proxy/gateway/test_repeated_responses.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.http1.faults import Malformed
from proxy.http1.response_head import MAX_HEAD, Response, read_response


class WholeResponses:
    """Reads responses to one request, and remembers the last one."""

    __slots__ = ("_line", "_own_values", "_raw", "_size", "fills", "response")

    def __init__(self, *, fills: bool) -> None:
        """`fills`: whether the caller fills the blanks of `Response.blanked`. Two responses that
        differ in nothing else are the same to it."""
        self.fills = fills
        self.response: Response | None = None
        """The last one, or one that is the same."""
        self._raw = b""
        """Its head."""
        self._size: int | None = None
        """Bytes of the head and the body; None where only reading it would tell."""
        self._line = b""
        """Its status line with the CRLF; empty where it has no blanks."""
        self._own_values: Sequence[bytes] = ()

    def read(self, data: bytes) -> tuple[Sequence[bytes], int] | None:
        """(the values for the blanks; where the body begins), for the response that all of `data`
        is. None where `data` is to be read step by step, as anything may be."""
        response, line = self.response, self._line
        if response is None or not data.startswith(self._raw):
            differing = None
            if response is not None and line and data.startswith(line):
                differing = response.fields.differing(data, len(line))
            if differing is not None:
                values, whole, end = differing
                return (values, end) if whole and end <= MAX_HEAD else None
            if not self._remember(data):
                return None
        return (self._own_values, len(self._raw)) if len(data) == self._size else None

    def _remember(self, data: bytes) -> bool:
        """Read the head of `data`. Returns whether it is one after which another response may
        follow on its connection."""
        size = data.find(b"\r\n\r\n", 0, MAX_HEAD) + 4
        if size < 4:
            return False
        try:
            response = read_response(data, size - 4, self.response, head_only=False)
        except Malformed:
            return False
        if not response.keep or not 200 <= response.status < 500:
            return False
        self.response, self._raw = response, data[:size]
        self._own_values = response.own_values if self.fills else ()
        self._line = data[: data.find(b"\r\n") + 2] if self._own_values else b""
        length = 0 if response.bodiless else response.fields.length
        self._size = None if length is None else size + length
        return True
