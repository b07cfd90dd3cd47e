"""Results as SVG charts: one bar for each side, with the range of its rounds."""

from __future__ import annotations

from html import escape
from typing import Final

from benchmarks.results import Result, number

LABELS: Final = 210
BARS: Final = 420
VALUES: Final = 120
LINE: Final = 26
TOP: Final = 34
STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#444}"
    ".title{font-weight:600}"
    ".gateway{fill:#2f6f9f}.peer{fill:#b7bfc6}"
    ".range{stroke:#444;stroke-width:1.5}"
    "@media(prefers-color-scheme:dark){text{fill:#ccc}.range{stroke:#ccc}.peer{fill:#5c666e}}"
)


def draw(result: Result) -> str:
    """The SVG chart of a result's first figure."""
    figure, title = next(iter(result.figures.items()))
    bars = [(side, spread) for side in result.sides if (spread := result.spread(side, figure))]
    most = max(spread[2] for _, spread in bars) or 1.0
    height = TOP + LINE * len(bars) + 8
    width = LABELS + BARS + VALUES
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        f"<title>{escape(result.title)}: {escape(title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="8" y="20">{escape(title)}</text>',
    ]
    for place, (side, (middle, least, greatest)) in enumerate(bars):
        top = TOP + LINE * place
        middle_y = top + LINE / 2
        kind = "gateway" if is_ours(side) else "peer"
        width_of = BARS / most
        parts += [
            f'<text x="{LABELS - 8}" y="{middle_y + 4:.1f}" text-anchor="end">'
            f"{escape(side)}</text>",
            f'<rect class="{kind}" x="{LABELS}" y="{top + 4}" height="{LINE - 8}" '
            f'width="{max(1, middle * width_of):.1f}"/>',
            f'<path class="range" d="M{LABELS + least * width_of:.1f} {middle_y:.1f}'
            f'H{LABELS + greatest * width_of:.1f}"/>',
            f'<text x="{LABELS + greatest * width_of + 8:.1f}" y="{middle_y + 4:.1f}">'
            f"{number(middle)}</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])


def is_ours(side: str) -> bool:
    """Whether a side is the gateway, and not a server that it is compared with."""
    return side not in PEERS


PEERS: Final = frozenset({
    "aiohttp", "apache, bcrypt", "caddy", "direct", "haproxy", "haproxy, bcrypt", "nginx",
    "nginx, bcrypt", "nginx, unbuffered", "node", "python -c pass",
})  # fmt: skip
