"""The gateway with a look at it every millisecond of CPU time: in which room is it?

`python -m benchmarks.sampled FILE serve -c CONFIG` is `wardgate serve`, but writes how often it was
seen in each room to FILE, each second. A signal that comes while the event loop or the kernel is at
work is delivered when Python runs again, on the first line of what is called next: that is counted
for the loop.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

from proxy.__main__ import main

EVERY: Final = 0.001
"""Seconds of CPU time."""
LOOP: Final = "event loop, sockets, kernel"
ROOMS: Final = {
    "downstream": "cut the head out",
    "http1": "parse",
    "fields": "parse",
    "form": "parse",
    "head": "parse",
    "authenticator": "authenticate",
    "budget": "authenticate",
    "records": "authenticate",
    "secret": "authenticate",
    "judge": "decide",
    "policy": "decide",
    "exchange": "carry",
    "identity": "build",
    "outbound": "build",
    "pool": "write, read the answer's head",
    "upstream": "write, read the answer's head",
    "refusals": "answer",
    "reply": "answer",
    "accesslog": "log",
    "uses": "log",
    "gateway": "carry",
}
"""Module of the gateway → what is done there."""
_CALLED: Final = ("data_received", "connection_made", "connection_lost", "eof_received")


def room(frame: FrameType | None) -> str:
    """Where a frame is, by the innermost one that is the gateway's."""
    if frame is None or (
        frame.f_code.co_name in _CALLED and frame.f_lineno == frame.f_code.co_firstlineno
    ):
        return LOOP
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.parent.name == "proxy":
            return ROOMS.get(path.stem, LOOP)
        frame = frame.f_back
    return LOOP


def run() -> None:
    """Serve, sampled."""
    out, *arguments = sys.argv[1:]
    seen: Counter[str] = Counter()

    def look(_number: int, frame: FrameType | None) -> None:
        seen[room(frame)] += 1
        if not seen.total() % 200:
            Path(out).write_text(json.dumps(seen))

    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    main(arguments)


if __name__ == "__main__":
    run()
