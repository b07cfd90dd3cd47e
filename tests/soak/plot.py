"""A record as an SVG: a panel for each kind of series, with a line for each node.

`python -m tests.soak.plot FILE` draws a record that was kept, and judges it once more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Final

from benchmarks.results import number
from tests.soak.judge import Series
from tests.soak.record import Record

PANELS: Final = {
    "memory": "memory of all processes of a node, MB",
    "handles": "open handles of a node",
    "threads": "threads of a node",
    "entries": "records, rates and quotas in memory of a node",
    "p50": "latency, median, ms",
    "p99": "latency, 99th percentile, ms",
}
WIDTH: Final = 720
LEFT: Final = 60
RIGHT: Final = 90
HEIGHT: Final = 90
"""Of the area of a panel, below its title."""
TITLE: Final = 34
STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#444}.title{font-weight:600}"
    "polyline{fill:none;stroke-width:1.3}.axis{stroke:#999;fill:none}"
    ".line0{stroke:#2f6f9f}.line1{stroke:#c47a2c}"
    "text.line0{fill:#2f6f9f;stroke:none}text.line1{fill:#c47a2c;stroke:none}"
    "@media(prefers-color-scheme:dark){text{fill:#ccc}}"
)


def draw(record: Record) -> str:
    """The SVG chart. Each scale begins at zero, so that what looks flat is flat."""
    height = len(PANELS) * (TITLE + HEIGHT) + 30
    long = f"{record.seconds / 60:g} minutes"
    about = f"{long}, {record.load.requests:.0f} requests a second and node"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">',
        f"<title>Soak over {escape(record.store)}: {about}</title><style>{STYLE}</style>",
    ]
    for place, (kind, title) in enumerate(PANELS.items()):
        named = {
            name.removesuffix(kind).strip(): series
            for name, series in record.samples.items()
            if name.rpartition(" ")[2] == kind
        }
        parts += _panel(title, named, TITLE + place * (TITLE + HEIGHT), record.seconds)
    parts.append(f'<text x="{LEFT}" y="{height - 8}">0</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{height - 8}" text-anchor="end">{long}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(title: str, lines: Mapping[str, Series], top: float, seconds: float) -> Iterator[str]:
    most = max((value for series in lines.values() for _, value in series), default=0.0) or 1.0
    bottom, right = top + HEIGHT, WIDTH - RIGHT
    yield f'<text class="title" x="{LEFT}" y="{top - 10}">{escape(title)}</text>'
    yield f'<path class="axis" d="M{LEFT} {top}V{bottom}H{right}"/>'
    yield f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{number(most)}</text>'
    yield f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">0</text>'
    for place, (name, series) in enumerate(sorted(lines.items())):
        points = " ".join(
            f"{LEFT + at / seconds * (right - LEFT):.1f},{bottom - value / most * HEIGHT:.1f}"
            for at, value in series
        )
        yield f'<polyline class="line{place % 2}" points="{points}"/>'
        text, down = f"{escape(name)} {number(series[-1][1])}".strip(), top + 14 + 18 * place
        yield f'<text class="line{place % 2}" x="{right + 6}" y="{down}">{text}</text>'


if __name__ == "__main__":
    FILE = Path(sys.argv[1])
    RECORD = Record.read(FILE)
    FILE.with_suffix(".svg").write_text(draw(RECORD))
    print(RECORD.summary)
