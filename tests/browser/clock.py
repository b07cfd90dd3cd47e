"""`wardgate` by a clock that stands still: `python -m tests.browser.clock SECONDS ARGUMENT...`.

The clock is at so many seconds since the epoch.
"""

from __future__ import annotations

import runpy
import sys
import time


def main() -> None:
    """Set the clock, and run the command line."""
    now = int(sys.argv.pop(1)) * 1_000_000_000
    time.time_ns = lambda: now
    runpy.run_module("proxy", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
