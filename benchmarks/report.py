"""docs/benchmarks.md: everything between its two marks is made from the results, nothing by hand.

What people write stands before and behind the marks, and stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks import plot
from benchmarks.processes import ROOT
from benchmarks.results import QUIET, Result, number, spread_text

PAGE = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "benchmarks"
BEGIN: Final = "<!-- measured: made by `make bench`, not to be edited -->"
END: Final = "<!-- end of what was measured -->"
BUSY: Final = 95.0
"""Percent of its core from which on a server is what is waited for."""
FIRST: Final = f"""\
# Benchmarks

The gateway beside what you would pick instead, hostile clients included. `make bench` measures all
of this again on your machine and writes the numbers below; `make bench ROWS=get,latency` measures
some of it, `make bench ARGS=--resume` what is not measured yet.

{BEGIN}
{END}
"""
METHOD: Final = """\
## Method

One process of the server runs on one core, the load and the upstream on another. CPU is user and
system time of the server's processes with their children, over the work that was done; on loopback
that includes the kernel's share of carrying the bytes. The sides of a row are measured in turn,
round after round, so that what drifts drifts for all; numbers are medians, with the least and the
most of the rounds in brackets. A goal that compares is judged by the median of what each round
yields for it. Where a server's core was not busy, the load was what was waited for: it could serve
more requests per second than it was asked for, and CPU per request is what to compare.

The gateway checks keys, scopes and routes, sends identity headers and writes its access log, as it
does by default. What it is compared with is configured in `benchmarks/peers/`.
"""


def write(results: Sequence[Result]) -> None:
    """Write the page and its pictures."""
    if not results:
        return
    PICTURES.mkdir(parents=True, exist_ok=True)
    for result in results:
        (PICTURES / f"{result.row}.svg").write_text(plot.draw(result))
    page = PAGE.read_text() if PAGE.exists() else FIRST
    before, _, rest = page.partition(BEGIN)
    _, _, behind = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{measured(results)}\n{END}{behind}")


def measured(results: Sequence[Result]) -> str:
    """What stands between the marks."""
    sections = [goals(results), METHOD, machines(results), *map(section, results)]
    return "\n".join(sections)


def goals(results: Sequence[Result]) -> str:
    """All goals in one table."""
    lines = ["## Goals\n", "| work | goal | found | |", "|---|---|---|---|"]
    lines += [
        f"| [{result.title}](#{anchor(result)}) | {goal.text} | {goal.found} | {goal.verdict} |"
        for result in results
        for goal in result.goals
    ]
    return "\n".join([*lines, ""])


def anchor(result: Result) -> str:
    """The fragment that leads to a section."""
    return f"row-{result.row}"


def machines(results: Sequence[Result]) -> str:
    """Where and with what; rows may have been measured at different times."""
    lines = ["## Machine and versions\n"]
    seen = []
    for result in results:
        machine = {k: v for k, v in result.machine.items() if k != "load_before"}
        if (machine, result.versions, result.source) not in seen:
            seen.append((machine, result.versions, result.source))
    for machine, versions, code in seen:
        rows = [each.row for each in results if each.source == code and each.versions == versions]
        lines += [
            f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
            f"{machine['kernel']}; "
            + ", ".join(f"{name} {version}" for name, version in versions.items())
            + f". Code `{code}`: rows {', '.join(rows)}.\n",
        ]
    minutes = sum(each.took for each in results) / 60
    lines.append(f"All rows together took {minutes:.0f} minutes.\n")
    busiest = max(results, key=lambda each: each.machine["load_before"])
    lines.append(
        f"The highest load average before a row was {busiest.machine['load_before']:g} "
        f"(`{busiest.row}`; what ran before it counts).\n"
    )
    return "\n".join(lines)


def section(result: Result) -> str:
    """One row."""
    lines = [
        f'<a id="{anchor(result)}"></a>\n',
        f"## {result.title}\n",
        f"{result.method}\n",
        f"![{next(iter(result.figures.values()))}](benchmarks/{result.row}.svg)\n",
        *table(result),
        "",
        *slower(result),
    ]
    lines += idle(result)
    lines += [f"Left out: {side}: {why}.\n" for side, why in result.missing.items()]
    if result.others > QUIET:
        lines.append(
            f"**The machine was not quiet: others used {number(result.others)} % of the server's "
            "core. Do not trust these numbers.**\n"
        )
    count = len(result.rounds)
    lines.append(f"{count} round{'s' * (count > 1)}, {result.at[:10]}, `{result.row}`.\n")
    return "\n".join(lines)


def table(result: Result) -> Iterator[str]:
    """Every side and figure."""
    yield "| | " + " | ".join(result.figures.values()) + " |"
    yield "|---|" + "---|" * len(result.figures)
    for side in result.sides:
        cells = (spread_text(result.spread(side, figure)) for figure in result.figures)
        yield f"| {side} | " + " | ".join(cells) + " |"


def idle(result: Result) -> Iterator[str]:
    """Which servers could have done more in the time, because the load was what was waited for."""
    if "per_second" not in result.figures:
        return
    spare = [
        side
        for side in result.sides
        if (busy := result.spread(side, "server_core")) and busy[0] < BUSY
    ]
    if spare:
        yield f"Waited for the load rather than the server: {'; '.join(spare)}.\n"


def slower(result: Result) -> Iterator[str]:
    """Each peer that does better than the gateway, by the first figure."""
    figure = next(iter(result.figures))
    ours = result.spread("gateway", figure) if "gateway" in result.sides else None
    for side in result.sides:
        theirs = result.spread(side, figure)
        if ours is None or theirs is None or side in {"gateway", "direct"}:
            continue
        times = ours[0] / theirs[0] if result.smaller_is_better else theirs[0] / ours[0]
        if times > 1:
            yield f"**The gateway needs {number(times)} × what {side} needs.**\n"
