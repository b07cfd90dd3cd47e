"""The access log: whole lines of JSON, in order, whatever they hold and whoever reads them."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import proxy.telemetry.accesslog as module
from proxy.domain.model import WardgateError
from proxy.telemetry.accesslog import AccessLog, asked, entry, quote


def line(
    method: bytes = b"GET", path: bytes = b"/", agent: bytes = b"", reason: str = "x"
) -> bytes:
    """One line."""
    return entry(
        b"now",
        b"id",
        asked("::1", method, path),
        status=200,
        received=1,
        sent=2,
        seconds=0.00123,
        identity=b"",
        quoted_agent=quote(agent),
        reason=reason,
    )


@given(st.binary(max_size=30), st.binary(max_size=30), st.binary(max_size=30))
def test_any_bytes_make_one_line_of_json(method: bytes, path: bytes, agent: bytes) -> None:
    """Line ends, quotes and what is no text at all come back as they were."""
    text = line(method, path, agent)
    assert text.count(b"\n") == 1
    assert text.isascii()
    read = json.loads(text)
    assert read["method"].encode("latin-1") == method
    assert read["path"].encode("latin-1") == path
    assert read["agent"].encode("latin-1") == agent
    assert read["ms"] == 1.2


def test_lines_are_written_in_order_and_none_is_lost(tmp_path: Path) -> None:
    """Those that were gathered but not yet flushed too, when the log is closed."""
    log = AccessLog(str(tmp_path / "log"))
    for number in range(1000):
        log.add(b"%d\n" % number)
        if number % 100 == 0:
            log.flush()
    log.close()
    assert (tmp_path / "log").read_bytes().split() == [b"%d" % number for number in range(1000)]


def test_a_reader_that_does_not_read_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a bound, lines are dropped, and how many is said when there is room again."""
    monkeypatch.setattr(module, "MAX_PENDING", 200_000)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(str(pipe))
    for _ in range(10):
        log.add(b"x" * 49_999 + b"\n")
        log.flush()
    os.set_blocking(reader, True)
    read = bytearray()

    def drain() -> None:
        while data := os.read(reader, 65536):
            read.extend(data)

    draining = threading.Thread(target=drain)
    draining.start()
    log.wait()
    log.add(b"last\n")
    log.close()
    draining.join()
    os.close(reader)
    lines = bytes(read).splitlines()
    kept = sum(one == b"x" * 49_999 for one in lines)
    assert kept < 10
    assert lines[-2:] == [b'{"dropped":%d}' % (10 - kept), b"last"]


def test_a_log_that_cannot_be_opened_is_said_at_once(tmp_path: Path) -> None:
    """Not at the first request."""
    with pytest.raises(WardgateError, match="access_log"):
        AccessLog(str(tmp_path / "none" / "log"))
