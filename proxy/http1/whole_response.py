"""Reads responses that arrive as a whole, each by the one before it. Pure.

Tested in `tests/proxy/gateway/test_repeated_responses.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.http1.faults import Malformed
from proxy.http1.response_fields import ResponseFields
from proxy.http1.response_head import MAX_HEAD, Response, read_response


class WholeResponses:
    """Reads responses to one request, and remembers the last one."""

    __slots__ = ("_fields", "_line", "_own", "_raw", "_size", "fills", "response")

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
        self._own: tuple[Sequence[bytes], int] = (), 0
        """What `read` has for it."""
        self._fields: ResponseFields | None = None
        """Its fields, if they have blanks."""
        self._line = b""
        """Its status line, with the CRLF."""

    def read(self, data: bytes) -> tuple[Sequence[bytes], int] | None:
        """(the values for the blanks; where the body begins), for the response that all of `data`
        is. None where `data` is to be read step by step, as anything may be."""
        raw = self._raw
        if not (raw and data.startswith(raw)):
            fields, line = self._fields, self._line
            if fields is not None and data.startswith(line):
                found = fields.differing(data, len(line))
                if found is not None and found[1] <= MAX_HEAD:
                    return found
            if not self._remember(data):
                return None
        return self._own if len(data) == self._size else None

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
        self._own = response.own_values if self.fills else (), size
        self._fields = response.fields if self._own[0] else None
        self._line = data[: data.find(b"\r\n") + 2]
        length = 0 if response.bodiless else response.fields.length
        self._size = None if length is None else size + length
        return True
