"""The access log has whole lines of JSON, in order, whatever they contain and whoever reads."""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import proxy.telemetry.accesslog as module
from proxy.domain.errors import WardgateError
from proxy.domain.model import Reason
from proxy.telemetry.accesslog import (
    BRIEF,
    MANY,
    AccessLog,
    line,
    line_form,
    quote,
    refusal_form,
    requested,
)
from proxy.telemetry.outcome import Outcome
from tests.patience import PATIENCE


def outcome(
    method: bytes = b"GET", path: bytes = b"/", agent: bytes = b"", reason: Reason | None = None
) -> Outcome:
    """One of a request."""
    return Outcome(
        request_id=b"id",
        requested=requested("::1", method, path),
        status=200,
        received=1,
        sent=2,
        seconds=0.00123,
        agent=quote(agent),
        reason=reason,
    )


def unread(folder: Path) -> tuple[AccessLog, int]:
    """A log that goes to a pipe, and the other end, which nobody reads yet."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    return AccessLog(str(pipe)), reader


@given(st.binary(max_size=30), st.binary(max_size=30), st.binary(max_size=30))
def test_any_bytes_make_one_line_of_json(method: bytes, path: bytes, agent: bytes) -> None:
    """Line ends, quotes and bytes that are no text come back as they were."""
    text = line(b"now", outcome(method, path, agent))
    assert text.count(b"\n") == 1
    assert text.isascii()
    read = json.loads(text)
    assert read["method"].encode("latin-1") == method
    assert read["path"].encode("latin-1") == path
    assert read["agent"].encode("latin-1") == agent
    assert read["ms"] == 1.2


@given(st.floats(0, 200), st.binary(max_size=10), st.integers(0, 10**12))
def test_a_repeated_line_is_that_of_its_outcome(seconds: float, agent: bytes, sent: int) -> None:
    """Whose response came as a whole, when the request ended."""
    asked, identity = requested("::1", b"GET", b"/%25"), b',"key":"1c1"'
    log = AccessLog("off")
    log._on = True
    form = line_form(asked, 200, 7, identity, quote(agent))
    log.repeat(form, b"id", sent, seconds, time.time())
    (repeated,) = log._lines
    whole = Outcome(b"id", asked, 200, 7, sent, seconds, identity, quote(agent), seconds)
    expected = json.loads(line(log._moment, whole))
    found = json.loads(repeated)
    assert abs(found.pop("ms") - expected.pop("ms")) < 0.11  # of two tenths that are as near
    assert abs(found.pop("upstream_ms") - expected.pop("upstream_ms")) < 0.11
    assert found == expected


@given(st.floats(0, 200), st.binary(max_size=10), st.sampled_from(Reason))
def test_the_line_of_a_repeated_refusal_is_that_of_its_outcome(
    seconds: float, agent: bytes, reason: Reason
) -> None:
    """Byte for byte."""
    asked = requested("::1", b"GET", b"/%25")
    log = AccessLog("off")
    log._on = True
    log.refused(refusal_form(asked, reason, quote(agent)), b"id", seconds, reason)
    whole = Outcome(b"id", asked, reason.status, 0, 0, seconds, agent=quote(agent), reason=reason)
    assert log._lines == [line(log._moment, whole)]


@given(
    st.binary(max_size=40).map(lambda part: part * 30),
    st.binary(max_size=40).map(lambda part: part * 30),
)
def test_the_line_of_a_refused_guess_is_short(path: bytes, agent: bytes) -> None:
    """Whatever was sent. The path and the agent say that they go on; other lines have all."""
    guess = outcome(path=path, agent=agent, reason=Reason.FORGED)
    text = line(b"now", guess)
    assert len(text) < 3000
    told = json.loads(text)
    for name, sent in (("path", path), ("agent", agent)):
        short = sent if len(sent) <= BRIEF else sent[:BRIEF] + b"..."
        assert told[name].encode("latin-1") == short
    form = refusal_form(guess.requested, Reason.FORGED, guess.agent)
    refused = json.loads(form % (b"now", b"id", 1.0))
    assert {name: refused[name] for name in ("client", "method", "path", "agent")} == {
        name: told[name] for name in ("client", "method", "path", "agent")
    }
    whole = json.loads(line(b"now", outcome(path=path, agent=agent, reason=Reason.KEY_EXPIRED)))
    assert whole["path"].encode("latin-1") == path


def test_past_so_many_a_second_refused_guesses_share_a_line_for_each_reason(
    tmp_path: Path,
) -> None:
    """That of the last one, with a count of those that have none. The first of each reason has its
    own, and so have all others."""
    log = AccessLog(str(tmp_path / "log"))
    log.crowd.bound(5)
    form = refusal_form(requested("::1", b"GET", b"/"), Reason.FORGED, b'""')
    for number in range(1000):
        log.refused(form, b"f%d" % number, 0.0, Reason.FORGED)
        log.record(outcome(path=b"/%d" % number, reason=Reason.UNKNOWN_KEY))
    log.record(outcome(path=b"/rate", reason=Reason.RATE))
    log.record(outcome(reason=Reason.WRONG_SECRET))
    log.record(outcome(path=b"/last", reason=Reason.WRONG_SECRET))
    log.flush()
    log.refused(form, b"later", 0.0, Reason.FORGED)
    log.close()
    lines = [json.loads(each) for each in (tmp_path / "log").read_bytes().splitlines()]
    assert [(each["reason"], each["id"], each["path"], each.get("count")) for each in lines] == [
        ("forged", "f0", "/", None),
        ("unknown-key", "id", "/0", None),
        ("forged", "f1", "/", None),
        ("unknown-key", "id", "/1", None),
        ("forged", "f2", "/", None),
        ("rate", "id", "/rate", None),
        ("wrong-secret", "id", "/", None),
        ("unknown-key", "id", "/999", 998),
        ("forged", "f999", "/", 997),
        ("wrong-secret", "id", "/last", None),
        ("forged", "later", "/", None),
    ]


def test_lines_are_written_in_order_and_none_is_lost(tmp_path: Path) -> None:
    """Closing the log also writes those that were not yet flushed."""
    log = AccessLog(str(tmp_path / "log"))
    for number in range(1000):
        log.record(outcome(path=b"/%d" % number))
        if number % 100 == 0:
            log.flush()
    log.close()
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert [json.loads(each)["path"] for each in lines] == [f"/{number}" for number in range(1000)]


def test_many_lines_are_written_before_the_next_flush(tmp_path: Path) -> None:
    """So the log's memory does not grow with the rate of requests."""
    log = AccessLog(str(tmp_path / "log"))
    patience = time.monotonic() + PATIENCE
    while not (tmp_path / "log").stat().st_size:
        assert time.monotonic() < patience
        log.record(outcome())
        log.wait()
    assert len(log._lines) < MANY
    log.close()


def test_a_reader_that_does_not_read_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a bound, lines are dropped; when there is room again, a line says how many."""
    monkeypatch.setattr(module, "MAX_PENDING", 200_000)
    log, reader = unread(tmp_path)
    for _ in range(10):
        log.record(outcome(agent=b"x" * 50_000))
        log.flush()
    os.set_blocking(reader, True)
    read = bytearray()

    def drain() -> None:
        while data := os.read(reader, 65536):
            read.extend(data)

    draining = threading.Thread(target=drain)
    draining.start()
    log.wait()
    log.record(outcome(agent=b"last"))
    log.close()
    draining.join()
    os.close(reader)
    lines = [json.loads(each) for each in bytes(read).splitlines()]
    kept = sum(each.get("agent") == "x" * 50_000 for each in lines)
    assert kept < 10
    assert lines[-2] == {"dropped": 10 - kept}
    assert lines[-1]["agent"] == "last"


def test_lines_are_lost_until_all_of_a_second_find_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although a few of them may find some in between."""
    monkeypatch.setattr(module, "MAX_PENDING", 200_000)
    log, reader = unread(tmp_path)
    for _ in range(3):
        log._lines += [b"x" * 190_000]
        log._hand_over()
        log._lines += [b"x"]
        log.flush()
    assert log.failure == "what reads it is too slow"
    log.flush()
    assert log.failure, "nothing has found room since"
    os.close(reader)
    log.close()


def test_lines_of_several_processes_are_not_mixed_in_a_pipe(tmp_path: Path) -> None:
    """However full it is: no more is written at once than a pipe takes as a whole."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    logs = [AccessLog(str(pipe), shared=True) for _ in range(3)]
    for number in range(3000):
        for each in logs:
            each.record(outcome(agent=b"x" * (number % 900)))
    for each in logs:
        each.flush()
    os.set_blocking(reader, True)

    def close() -> None:
        for each in logs:
            each.close(PATIENCE)

    closing = threading.Thread(target=close)
    closing.start()
    read = bytearray()
    while data := os.read(reader, 65536):
        read.extend(data)
    closing.join()
    os.close(reader)
    sizes = [len(json.loads(each)["agent"]) for each in bytes(read).splitlines()]
    assert sorted(sizes) == sorted(number % 900 for number in range(3000) for _ in logs)


def test_lines_that_find_no_room_are_counted_with_the_cause(tmp_path: Path) -> None:
    """When there is room again, no cause is left, and a line says how many are missing."""
    path = tmp_path / "log"
    path.symlink_to("/dev/full")
    log = AccessLog(str(path))
    for number in range(3):
        log.record(outcome(path=b"/%d" % number))
        log.flush()
    log.wait()
    assert (log.lost, log.failure) == (3, "No space left on device")
    room = os.open(tmp_path / "room", os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(room, log._fd)
    os.close(room)
    log.record(outcome(path=b"/last"))
    log.flush()
    log.wait()
    assert (log.lost, log.failure) == (3, None)
    log.close()
    missing, last = (tmp_path / "room").read_bytes().splitlines()
    assert (json.loads(missing), json.loads(last)["path"]) == ({"dropped": 3}, "/last")


def test_a_line_that_was_cut_does_not_spoil_the_next(tmp_path: Path) -> None:
    """It ends before the line that says how many are missing, to which it counts."""
    path = tmp_path / "log"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log = AccessLog(str(path))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        for _ in range(2):
            log.record(outcome(agent=b"x" * 600))
        log.flush()
        log.wait()
        assert (log.lost, log.failure) == (1, "File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    log.record(outcome(path=b"/last"))
    log.close()
    whole, cut, missing, last = path.read_bytes().splitlines()
    assert json.loads(whole)["agent"] == "x" * 600
    assert cut.startswith(b'{"time"')
    assert (json.loads(missing), json.loads(last)["path"]) == ({"dropped": 1}, "/last")


def test_a_log_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path) -> None:
    """Not only at the first request."""
    with pytest.raises(WardgateError, match="access_log"):
        AccessLog(str(tmp_path / "none" / "log"))
