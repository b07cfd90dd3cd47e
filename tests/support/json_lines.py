"""Files of JSON lines that another process is writing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def json_lines(path: Path) -> list[dict[str, Any]]:
    """The lines so far, without the last one where it is not complete yet: a reader may see the
    first part of what another process writes at once."""
    *lines, _ = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines]
