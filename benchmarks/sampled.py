"""The gateway, sampled: every millisecond of its CPU time, which phase of a request is it in?

`python -m benchmarks.sampled FILE serve -c CONFIG` is `wardgate serve`, and also writes to FILE how
often each phase was seen, after every 200 samples. A signal that arrives while the event loop or
the kernel is at work is delivered when Python runs again, on the first line of the callback that is
called next: such a sample counts for the event loop.
"""

from __future__ import annotations

import functools
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

import proxy
from proxy.__main__ import main

EVERY: Final = 0.001
"""Seconds of CPU time between two samples."""
LOOP: Final = "event loop, sockets, kernel"
PHASES: Final = {
    "gateway/downstream": "receive the head",
    "gateway/head_reader": "receive the head",
    "http1": "parse the head",
    "gateway/memo": "parse the head",
    "auth": "authenticate",
    "domain/secret": "authenticate",
    "auth/decision": "decide",
    "domain/authorization": "decide",
    "domain/routes": "decide",
    "gateway": "run the exchange",
    "gateway/identity": "build the outbound head",
    "http1/outbound": "build the outbound head",
    "gateway/pool": "write upstream, read the answer's head",
    "gateway/upstream": "write upstream, read the answer's head",
    "gateway/response": "send the answer",
    "http1/error_response": "send the answer",
    "telemetry": "log",
}
"""Package or module in `proxy/` → the phase that its code belongs to. A module that is not named
belongs to the phase of its package."""
_ROOT: Final = Path(proxy.__file__).parent
_CALLED: Final = ("data_received", "connection_made", "connection_lost", "eof_received")


@functools.cache
def phase_of(filename: str) -> str | None:
    """The phase that a source file belongs to; None where its caller says which phase it is."""
    path = Path(filename)
    if not path.is_relative_to(_ROOT):
        return None
    module = path.relative_to(_ROOT).with_suffix("")
    return PHASES.get(module.as_posix()) or PHASES.get(module.parent.as_posix())


def phase(frame: FrameType | None) -> str:
    """The phase that a frame is in, by the innermost function whose file belongs to one."""
    if frame is None or (
        frame.f_code.co_name in _CALLED and frame.f_lineno == frame.f_code.co_firstlineno
    ):
        return LOOP
    while frame is not None:
        if found := phase_of(frame.f_code.co_filename):
            return found
        frame = frame.f_back
    return LOOP


def run() -> None:
    """Serve, sampled."""
    out, *arguments = sys.argv[1:]
    seen: Counter[str] = Counter()

    def sample(_number: int, frame: FrameType | None) -> None:
        seen[phase(frame)] += 1
        if not seen.total() % 200:
            Path(out).write_text(json.dumps(seen))

    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    main(arguments)


if __name__ == "__main__":
    run()
