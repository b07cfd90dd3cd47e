"""The time of day of a process, which a test sets (by libfaketime)."""

from __future__ import annotations

import subprocess
from pathlib import Path


class TimeOfDay:
    """It goes on as it does for others, so many seconds before or after it."""

    def __init__(self, faketime: str, file: Path) -> None:
        """`faketime`: the program of that name. `file` is written."""
        self._file = file
        asked = [faketime, "-f", "+0", "printenv", "LD_PRELOAD"]
        library = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
        self.environment = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        """For the process."""
        self.step(0)

    def step(self, seconds: int) -> None:
        """Set the difference to the true time."""
        written = self._file.with_suffix(".new")
        written.write_text(f"{seconds:+d}\n")
        written.replace(self._file)
