"""The access log: one JSON line for each request, whatever bytes it held, and never a secret.

A thread of its own writes the lines, so that a slow disk or a reader that does not read holds up no
request. The query of a target is left out, since people put tokens there.
"""

from __future__ import annotations

import json
import os
import queue
import re
import select
import stat
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from json.encoder import encode_basestring_ascii
from typing import Final

from proxy.domain.errors import WardgateError
from proxy.domain.reasons import BaseReason
from proxy.telemetry.crowd import Crowd
from proxy.telemetry.outcome import Outcome

MAX_PENDING: Final = 64 * 1024 * 1024
"""Bytes that may wait to be written. Beyond that, lines are dropped and counted."""
MANY: Final = 256
"""Lines that are handed over before the next flush is due. The memory of the last ones then serves
the next ones: a second of 60,000 lines takes 20 MB, which the system would have to provide anew."""

BRIEF: Final = 200
"""Characters of a path, and of an agent, in the line of a refused guess."""

OFF: Final = -1
"""In place of an open file, where no lines are written."""


class AccessLog:
    """Writes lines to standard output (`-`), to a file, or nowhere (`off`)."""

    def __init__(self, destination: str = "-", *, shared: bool = False) -> None:
        """`shared`: other processes write there, too. Raises `WardgateError` where the file cannot
        be opened."""
        self._shared = shared
        self._lines: list[bytes] = []
        self.crowd: Final = Crowd()
        self._queue: queue.SimpleQueue[tuple[bytes, int] | int | None] = queue.SimpleQueue()
        # Two threads, each with counters of its own. The event loop counts bytes handed over and
        # lines dropped; the writing thread bytes taken, lines lost and lines reported as missing.
        self._handed = self._taken = self._dropped = self._lost = self._reported = 0
        self._dropping = self._cut = False
        self._flushed = 0, 0
        """What was handed over and dropped before the last flush."""
        self._error: str | None = None
        self._now = self._second = -1
        self._prefix, self._moment = "", b""
        self._fd = open_log(destination)
        self._in_pieces = shared and _is_pipe(self._fd)
        self._on = self._fd != OFF
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        if self._on:
            self._thread.start()

    def record(self, outcome: Outcome) -> None:
        """Add the line of an outcome. It is written after the next `flush`, or a millisecond after
        there are `MANY`."""
        if not self._on:
            return
        now = int(time.time() * 1000)
        if now != self._now:
            self._set_moment(now)
        reason = outcome.reason
        if (
            reason is not None
            and reason.guessed
            and self.crowd.takes(reason.code, now, partial(line, outcome=outcome))
        ):
            return
        self._lines.append(line(self._moment, outcome))

    def repeat(
        self, form: bytes, request_id: bytes, sent: int, seconds: float, time: float
    ) -> None:
        """As `record`, for a response that came as a whole at this time, in seconds since the
        epoch, with a body of `sent` bytes, after so many seconds. All else is in the form
        (`line_form`)."""
        if not self._on:
            return
        now = int(time * 1000)
        if now != self._now:
            self._set_moment(now)
        tenths = int(seconds * 10_000 + 0.5)
        ms = _MS[tenths] if tenths < _TABLED else b"%.1f" % (seconds * 1000)
        self._lines.append(form % (self._moment, request_id, sent, ms, ms))

    def refused(self, form: bytes, request_id: bytes, seconds: float, reason: BaseReason) -> None:
        """As `record`, for a request without a body that was refused after so many seconds. All
        else is in the form (`refusal_form`)."""
        if not self._on:
            return
        now, ms = int(time.time() * 1000), seconds * 1000
        if reason.guessed and self.crowd.takes(
            reason.code, now, lambda moment: form % (moment, request_id, ms)
        ):
            return
        if now != self._now:
            self._set_moment(now)
        self._lines.append(form % (self._moment, request_id, ms))

    def add_shared(self) -> None:
        """Add the lines that several refused guesses share."""
        for now, made, count in self.crowd.leave():
            self._set_moment(now)
            alone = made(self._moment)
            self._lines.append(alone if count == 1 else alone[:-2] + b',"count":%d}\n' % count)

    def flush(self) -> None:
        """Hand the lines so far to the thread that writes."""
        handed, dropped = self._flushed
        self.add_shared()
        if self._lines:
            self._hand_over()
        if self._dropped != dropped or self._handed != handed:
            self._dropping = self._dropped != dropped
        self._flushed = self._handed, self._dropped

    def _hand_over(self) -> None:
        batch = b"".join(self._lines)
        if self._handed - self._taken + len(batch) > MAX_PENDING:
            self._dropped += len(self._lines)
        else:
            self._handed += len(batch)
            self._queue.put((batch, self._dropped))
        self._lines.clear()

    def switch(self, file: int) -> None:
        """Write lines from now on to `file` (`open_log`), and the lines so far to the file of
        before, which is then closed."""
        self.flush()
        self._on = file != OFF
        self._queue.put(file)
        if self._on and self._thread.ident is None:
            self._thread.start()

    def wait(self, timeout: float = 5.0) -> None:
        """Wait until what was handed over is written, at most `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self._handed != self._taken and time.monotonic() < deadline:
            time.sleep(0.001)

    def close(self, timeout: float = 5.0) -> None:
        """Write what is left, waiting at most `timeout` seconds for a slow reader."""
        self.flush()
        self._on = False
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(timeout)
            if not self._thread.is_alive():
                self._use(OFF)

    @property
    def lost(self) -> int:
        """How many lines were not written so far."""
        return self._dropped + self._lost

    @property
    def failure(self) -> str | None:
        """Why lines are lost at the moment; None if they are written."""
        return "what reads it is too slow" if self._dropping else self._error

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, int):
                self._use(item)
                self._error = None
            else:
                self._write(*item)
                self._taken += len(item[0])

    def _use(self, file: int) -> None:
        """Close the file that was written so far, and write `file`."""
        before, self._fd = self._fd, file
        self._in_pieces = self._shared and _is_pipe(file)
        if before != OFF:
            self._cut = self._cut and file != OFF and os.path.sameopenfile(before, file)
            with suppress(OSError):  # some file systems report here what they could not write
                os.close(before)

    def _write(self, batch: bytes, dropped: int) -> None:
        """Write a batch behind what has to precede it: the end of a line that a failure cut, and a
        line that says how many are missing; `dropped` of them before this batch."""
        missing = dropped + self._lost - self._reported
        prefix = b"\n" if self._cut else b""
        if missing:
            prefix += b'{"dropped":%d}\n' % missing
        data, done = prefix + batch, 0
        try:
            while done < len(data):
                end = _end_of_lines(data, done) if self._in_pieces else len(data)
                done += os.write(self._fd, memoryview(data)[done:end])
            self._error = None
        except OSError as error:  # a full disk or a closed pipe
            self._error = error.strerror or str(error)
            self._lost += batch.count(b"\n", max(0, done - len(prefix)))
        if done:
            self._cut = data[done - 1 : done] != b"\n"
        if done >= len(prefix):
            self._reported += missing

    def _set_moment(self, now: int) -> None:
        """Format the wall clock `now`, in milliseconds, as UTC in RFC 3339. Once in a millisecond
        is also often enough to look whether there are many lines."""
        if len(self._lines) >= MANY:
            self._hand_over()
        self._now = now
        second, millisecond = divmod(now, 1000)
        if second != self._second:
            self._second = second
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        self._moment = f"{self._prefix}.{millisecond:03d}Z".encode()


def open_log(destination: str, *, wait: bool = True) -> int:
    """The number of the open file for a destination, or `OFF`. `wait`: until somebody reads it, if
    it is a pipe; otherwise a pipe without a reader is an error. Raises `WardgateError`."""
    if destination == "off":
        return OFF
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        if destination == "-":
            return os.dup(sys.stdout.fileno())
        file = os.open(destination, flags if wait else flags | os.O_NONBLOCK, 0o640)
        os.set_blocking(file, True)
        return file
    except OSError as error:
        raise WardgateError(f"access_log {destination}: {error.strerror}") from None


def _is_pipe(file: int) -> bool:
    return file != OFF and stat.S_ISFIFO(os.fstat(file).st_mode)


def _end_of_lines(data: bytes, start: int) -> int:
    """The end of the lines from `start` on that a pipe takes at once: several processes may write
    to it, and of more than that, the lines of two could be mixed (pipe(7), PIPE_BUF)."""
    if len(data) - start <= select.PIPE_BUF:
        return len(data)
    end = data.rfind(b"\n", start, start + select.PIPE_BUF)
    return end + 1 if end >= 0 else data.find(b"\n", start) + 1 or len(data)


def quote(value: bytes) -> bytes:
    """Any bytes as a JSON string, quotes included. Bytes that are not ASCII become escapes."""
    return encode_basestring_ascii(value.decode("latin-1")).encode()


def requested(client: str, method: bytes, path: bytes) -> bytes:
    """The members of a line that name the client and what it requested."""
    values = client.encode(), quote(method), quote(path)
    return b'"client":"%b","method":%b,"path":%b' % values


_NAMED: Final = re.compile(rb"(?:\r\n)?([A-Z]{1,16}) (/(?!/)[^ ?#\r\n]*)?").match


def requested_badly(client: str, data: bytes) -> bytes:
    """The same members for a malformed request, as far as it names a method and a path. Nothing
    else of `data` is logged: the user information of a URL, or the rest of a body with a wrong
    length, may be a secret."""
    named = _NAMED(data[:256])
    method, path = named.groups(b"") if named else (b"", b"")
    return requested(client, method, path)


_UPSTREAM: Final = b',"upstream_ms":'
_BEGINNING: Final = b'{"time":"%b","id":"%b",'
_LINE: Final = _BEGINNING + b'%b,"status":%d,"in":%d,"out":%d,"ms":%.1f%b%b,"agent":%b}\n'


def line(time: bytes, outcome: Outcome) -> bytes:
    """The line of one outcome, with its line feed. Durations are in milliseconds."""
    # Unpacked in one step, which takes a third of the time of eleven look-ups.
    id_, asked, status, received, sent, seconds, identity, agent, upstream, retried, reason = (
        outcome
    )
    if reason is not None and reason.guessed:
        asked, agent = _brief(asked, agent)
    more = b"" if upstream is None else _UPSTREAM + b"%.1f" % (upstream * 1000)
    if retried:
        more += b',"retried":true'
    if reason is not None:
        more += b',"reason":"%b"' % reason.code.encode()
    return _LINE % (
        time,
        id_,
        asked,
        status,
        received,
        sent,
        seconds * 1000,
        more,
        identity,
        agent,
    )


def line_form(asked: bytes, status: int, received: int, identity: bytes, agent: bytes) -> bytes:
    """The format of a line for a request whose response came as a whole. It takes the time, the id,
    the bytes of the response's body, and twice the duration."""
    before = b'%b,"status":%d,"in":%d,"out":' % (asked, status, received)
    after = b'%b,"agent":%b}\n' % (identity, agent)
    before, after = before.replace(b"%", b"%%"), after.replace(b"%", b"%%")
    return _BEGINNING + before + b'%d,"ms":%b' + _UPSTREAM + b"%b" + after


def refusal_form(asked: bytes, reason: BaseReason, agent: bytes) -> bytes:
    """The format of a line for a request without a body or a key, which was refused for this
    reason. It takes the time, the id and the duration in milliseconds."""
    if reason.guessed:
        asked, agent = _brief(asked, agent)
    before = b'%b,"status":%d,"in":0,"out":0,"ms":' % (asked, reason.status)
    after = b',"reason":"%b","agent":%b}\n' % (reason.code.encode(), agent)
    return _BEGINNING + before.replace(b"%", b"%%") + b"%.1f" + after.replace(b"%", b"%%")


def _brief(asked: bytes, agent: bytes) -> tuple[bytes, bytes]:
    """The same with at most `BRIEF` characters of the path and of the agent. Who guesses may send
    long ones, of which each byte takes six where it is not ASCII."""
    if len(asked) + len(agent) <= BRIEF:
        return asked, agent
    told = json.loads(b'{%b,"agent":%b}' % (asked, agent))
    path, agent = (
        text.encode("latin-1") if len(text) <= BRIEF else text[:BRIEF].encode("latin-1") + b"..."
        for text in (told["path"], told["agent"])
    )
    return requested(told["client"], told["method"].encode("latin-1"), path), quote(agent)


_MS: Final = tuple(b"%.1f" % (tenths / 10) for tenths in range(1000))
"""Durations below 100 ms: to look one up takes half of the time."""
_TABLED: Final = len(_MS)
