"""How many workers there are.

Tested in `tests/proxy/config/test_workers.py`.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

MOST_WORKERS: Final = 64
"""More than the machines have that this was measured on. Each takes some 40 MB."""

Workers: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=MOST_WORKERS)] | Literal["auto"]


def processes(workers: Workers) -> int:
    """How many `workers` asks for: `auto` is one for each core that this process may use."""
    return min(cores(), MOST_WORKERS) if workers == "auto" else workers


def cores(root: Path = Path("/sys/fs/cgroup")) -> int:
    """How many cores this process may use: those that it may run on, or fewer where its control
    group (cgroup v2, `cpu.max`) has less time."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:
        quota, period = (root / "cpu.max").read_text().split()
        return max(1, min(count, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # there is no such group, or no limit ("max")
        return count
