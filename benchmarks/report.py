"""Writes docs/benchmarks.md: everything between its two marks is made from the stored results.

What people have written before and behind the marks stays as it is.
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
"""A server that uses less than this percentage of its core is not the bottleneck."""
FIRST: Final = f"""\
# Benchmarks

This page compares the gateway with the servers that you might use in its place, with well behaved
and with hostile clients. `make bench` measures everything on your machine and writes the numbers
below. `make bench ROWS=get,latency` measures some of the rows, and `make bench ARGS=--resume` those
that have not been measured with the code as it is now.

{BEGIN}
{END}
"""
METHOD: Final = """\
## Method

Each server runs on a core of its own. The load and the upstream run on another core. CPU is the
user and system time of the server's processes, divided by the work that they did. All connections
are local, so it includes the kernel's work of moving the bytes.

The servers of a row are measured in turn, round after round, so that a machine that becomes slower
meanwhile affects all of them. Each number is the median of the rounds, with the least and the
greatest in brackets. A goal that compares two servers is computed for each round, and is met if the
median meets it.

Where a server's core was not busy, the load was the bottleneck: the server could have answered more
requests per second, so compare the CPU per request.

The gateway runs with its defaults: it checks keys, routes and environments, sends identity fields
and writes its access log. `benchmarks/peers/` has the configurations of the other servers.
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
    """The text between the marks."""
    sections = [goals(results), METHOD, machines(results), *map(section, results)]
    return "\n".join(sections)


def goals(results: Sequence[Result]) -> str:
    """The table of all goals."""
    lines = ["## Goals\n", "| row | goal | measured | |", "|---|---|---|---|"]
    lines += [
        f"| [{result.title}](#{anchor(result)}) | {goal.text} | {goal.found} | {goal.verdict} |"
        for result in results
        for goal in result.goals
    ]
    return "\n".join([*lines, ""])


def anchor(result: Result) -> str:
    """The URL fragment of a row's section."""
    return f"row-{result.row}"


def machines(results: Sequence[Result]) -> str:
    """The machines, versions and code: rows may have been measured at different times."""
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
            + f". Code with the digest `{code}`: rows {', '.join(rows)}.\n",
        ]
    minutes = sum(each.took for each in results) / 60
    lines.append(
        "A digest stands for the contents of `admin/`, `benchmarks/` and `proxy/`. "
        f"All rows together took {minutes:.0f} minutes.\n"
    )
    busiest = max(results, key=lambda each: each.machine["load_before"])
    lines.append(
        f"The highest load average before a row was {busiest.machine['load_before']:g} "
        f"(`{busiest.row}`), which includes the load of the row before it.\n"
    )
    return "\n".join(lines)


def section(result: Result) -> str:
    """The section of one row."""
    lines = [
        f'<a id="{anchor(result)}"></a>\n',
        f"## {result.title}\n",
        f"{result.method}\n",
        f"![{next(iter(result.figures.values()))}](benchmarks/{result.row}.svg)\n",
        *table(result),
        "",
        *slower(result),
    ]
    lines += spare(result)
    lines += [f"{side} was left out: {why}.\n" for side, why in result.missing.items()]
    if result.others > QUIET:
        lines.append(
            f"**The machine was not quiet: other processes used {number(result.others)} % of the "
            "server's core. Do not trust these numbers.**\n"
        )
    count = len(result.rounds)
    lines.append(
        f"Row `{result.row}`, {count} round{'s' * (count > 1)}, measured on {result.at[:10]}.\n"
    )
    return "\n".join(lines)


def table(result: Result) -> Iterator[str]:
    """The lines of the table of every side and figure."""
    yield "| | " + " | ".join(result.figures.values()) + " |"
    yield "|---|" + "---|" * len(result.figures)
    for side in result.sides:
        cells = (spread_text(result.spread(side, figure)) for figure in result.figures)
        yield f"| {side} | " + " | ".join(cells) + " |"


def spare(result: Result) -> Iterator[str]:
    """A line that names the servers that could have answered more, if there are any."""
    if "per_second" not in result.figures:
        return
    sides = [
        side
        for side in result.sides
        if (busy := result.spread(side, "server_core")) and busy[0] < BUSY
    ]
    if sides:
        yield f"The load and not the server was the bottleneck for: {'; '.join(sides)}.\n"


def slower(result: Result) -> Iterator[str]:
    """A line for each server that does better than the gateway in the first figure."""
    figure = next(iter(result.figures))
    ours = result.spread("gateway", figure) if "gateway" in result.sides else None
    for side in result.sides:
        theirs = result.spread(side, figure)
        if ours is None or theirs is None or side in {"gateway", "direct"}:
            continue
        less, more = (theirs, ours) if result.smaller_is_better else (ours, theirs)
        if not less[0]:  # nothing failed, say: there is no factor to that
            if more[0]:
                yield f"**{side} does better than the gateway ({result.figures[figure]}).**\n"
            continue
        times = more[0] / less[0]
        if times > 1:
            yield (
                f"**{side} does better than the gateway by a factor of {number(times)} "
                f"({result.figures[figure]}).**\n"
            )
