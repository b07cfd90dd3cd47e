"""A request's body on its way up: measured, re-framed, never buffered whole. Pure, no I/O."""

from __future__ import annotations

from proxy.http1.chunked import LAST_CHUNK, ChunkedDecoder, chunk
from proxy.http1.fields import RequestFields
from proxy.http1.grammar import Malformed


class RequestBody:
    """The body that the fields of a request announce."""

    __slots__ = ("_decoder", "_left", "_limit", "_since", "_until_then", "finished", "received")

    def __init__(self, fields: RequestFields, limit: int | None, now: float) -> None:
        """`limit` is the most bytes it may have. Raises `Malformed` (413)."""
        self._left = fields.length or 0
        self._decoder = ChunkedDecoder() if fields.chunked else None
        self._limit = limit
        self.received = 0
        self.finished = False
        self._since = now
        self._until_then = 0
        if limit is not None and self._left > limit:
            raise Malformed(413, "body-size")

    def take(self, data: bytes) -> tuple[list[bytes], bytes]:
        """(what to send for what `data` holds of the body, the rest: until it is `finished`, to be
        taken at the next turn). Raises `Malformed`.

        A chunked body is chunked anew: extensions and trailers end here, and what cannot be read
        in one way only never gets its last chunk.
        """
        if self._decoder is None:
            body, rest = (data, b"") if len(data) <= self._left else _split(data, self._left)
            self._left -= len(body)
            self.received += len(body)
            self.finished = not self._left
            return [body], rest
        body, rest = self._decoder.feed(data)
        self.received += len(body)
        if self._limit is not None and self.received > self._limit:
            raise Malformed(413, "body-size")
        pieces = [*chunk(body)] if body else []
        if self._decoder.finished:
            self.finished = True
            pieces.append(LAST_CHUNK)
        return pieces, rest

    def restart_clock(self, now: float) -> None:
        """Measure its rate from now on: until now it was not the client who was slow."""
        self._since, self._until_then = now, self.received

    def too_slow(self, now: float, window: float, rate: float) -> bool:
        """Whether it brought less than `rate` bytes a second over the last `window` seconds."""
        passed = now - self._since
        if passed < window:
            return False
        slow = self.received - self._until_then < rate * passed
        self.restart_clock(now)
        return slow


def _split(data: bytes, at: int) -> tuple[bytes, bytes]:
    return data[:at], data[at:]
