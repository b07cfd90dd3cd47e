"""Reads the heads of requests from what a client's connection receives.

The rule that lives here: what is taken over from the last head on the connection never changes what
a head says. API clients send the same head again and again, or a similar one, and what does not
depend on the values that differ is used again (`http1.template`, `memo.Memo`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from proxy.gateway.memo import Memo
from proxy.gateway.runtime import Runtime
from proxy.http1.fields import RequestFields
from proxy.http1.forwarding import Peer
from proxy.http1.grammar import FIELD_BLOCK, request_line
from proxy.http1.head import Head
from proxy.http1.head_scan import HeadScan

if TYPE_CHECKING:
    from proxy.gateway.repeat import Repeat
    from proxy.gateway.repeated_refusal import RepeatedRefusal


class HeadReader:
    """Reads the heads of one connection, one after the other, and remembers the last one."""

    __slots__ = ("_remembers", "_scan", "memo", "raw", "recurs", "refusal", "repeat")
    memo_of: ClassVar[type[Memo]] = Memo

    def __init__(self) -> None:
        self._scan: HeadScan | None = None
        self.repeat: Repeat | None = None
        """What sends the next head, where it says the same as the last one."""
        self.refusal: RepeatedRefusal | None = None
        """What refuses the next head, where the last one was refused."""
        self.recurs = True
        """Whether the last head says what the one before it said, but for values that change
        nothing, or none was remembered before it: so the next one may say the same, too. A client
        that takes another path each time has no use of a `Repeat`."""
        self._remembers = False
        self.memo: Memo | None = None
        """The memo of the last head, while it is remembered."""
        self.raw = b""
        """The bytes of that head; empty where none is remembered."""

    def remember(self) -> None:
        """Remember heads from the next one on. Most idle connections have sent one request only:
        these need no memory."""
        self._remembers = True

    def forget(self) -> None:
        """Forget the last head."""
        self.memo = self.repeat = self.refusal = None
        self.raw = b""

    def take(self, data: bytes, runtime: Runtime, peer: Peer) -> Memo:
        """The memo of the head `data`, for which its fields have found values that differ. It is
        remembered."""
        last = self.memo
        assert last is not None
        size = len(last.head.line)
        fields = last.head.fields.again(data[size + 2 :])
        head = None if fields is None else last.head.again(data[:size], fields)
        assert head is not None  # since nothing depends on the values
        self.memo, self.raw = self.memo_of(head, peer, runtime, last), data
        return self.memo

    def read(self, data: bytes, runtime: Runtime, peer: Peer) -> tuple[Memo, bytes] | None:
        """Read the head at the start of `data`. Returns (its memo, what follows the head), or None
        while the head is incomplete: the same data, and more, is then to be given again. Raises
        `Malformed`."""
        memo, raw = self.memo, self.raw
        if memo is not None and memo.generation != runtime.generation:
            memo = None  # its head was read with the limits of another configuration
        if memo is not None and self._scan is None and data.startswith(raw):
            self.recurs = True
            return memo, data[len(raw) :]
        limits = runtime.limits
        end = data.find(b"\r\n\r\n", 0, limits.head_size) if self._scan is None else -1
        line_end = data.find(b"\r\n")
        block = data[line_end + 2 : end + 4]
        # A head that is whole and plain needs no scan: the result would be the same.
        short = 0 < line_end <= limits.line_size and len(block) <= limits.line_size
        whole = short and end >= 0
        fields = memo.head.fields.again(block) if memo is not None and whole else None
        if fields is None and not (whole and _is_plain(block, limits.fields)):
            scan = self._scan
            if scan is None or scan.limits is not limits:  # else it began with those of before
                scan = self._scan = HeadScan(limits)
            end = scan.feed(data) - 4
            if end < 0:
                return None
            self._scan = None
            line_end = data.find(b"\r\n", scan.start) - scan.start
            data, end = data[scan.start :], end - scan.start
            block = data[line_end + 2 : end + 4]
        self.forget()
        line = data[:line_end]
        head = memo.head.again(line, fields) if memo is not None and fields is not None else None
        self.recurs = memo is None or head is not None
        if head is None:
            head = self._head(line, block, fields, runtime)
        memo = self.memo_of(head, peer, runtime, memo)
        if self._remembers:
            self.memo, self.raw = memo, data[: end + 4]
        return memo, data[end + 4 :]

    def _head(
        self, line: bytes, block: bytes, fields: RequestFields | None, runtime: Runtime
    ) -> Head:
        """The head of a request line and a block of fields, which are `fields` where that is known.
        Raises `Malformed`."""
        return Head(line, request_line(line), fields or RequestFields(block, runtime.fields))


def _is_plain(block: bytes, most: int) -> bool:
    """Whether `block` has at most `most` fields, and all match the grammar."""
    return block.count(b"\r\n") - 1 <= most and FIELD_BLOCK(block) is not None
