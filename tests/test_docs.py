"""The commands in the documentation, run in order against a new Wardgate.

Every block marked `sh` is run, a page's blocks in one shell: what one sets, the next one sees.
Where a block marked `text` follows, that is what it prints, with `…` for what differs: in a line
any text, alone on a line any lines. Blocks marked otherwise are not run.

A page finds a gateway in front of the sample API, an admin server, and the admin's key in
`~/.netrc`. The addresses on the page are those by default; the ones in use take their place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.admin.cli.served import serving
from tests.programs import free_port, program, running

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [page for name in ("cli.md", "admin-api.md") if (page := DOCS / name).exists()]
GATE, OFFICE = "127.0.0.1:8080", "127.0.0.1:8081"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """Commands, and what they print; None: that is not told."""

    line: int
    commands: str
    output: str | None


def examples(page: str) -> Iterator[Example]:
    """The blocks of a page that are to be run."""
    blocks = list(_BLOCK.finditer(page))
    for number, block in enumerate(blocks):
        if block[1] != "sh":
            continue
        after = blocks[number + 1] if number + 1 < len(blocks) else None
        follows = after and after[1] == "text" and not page[block.end() : after.start()].strip()
        line = page.count("\n", 0, block.start()) + 1
        yield Example(line, block[2], after[2] if after and follows else None)


def pattern(expected: str) -> re.Pattern[str]:
    """What fits `expected`: spaces count as one, and `…` as anything."""
    lines = []
    for line in expected.splitlines():
        if line.strip() == "…":
            lines.append(r"(?:.*\n)*?")
            continue
        words = [".*?".join(map(re.escape, word.split("…"))) for word in line.split()]
        lines.append(r"\ *" + r"\ +".join(words).replace(r"\ +.*?", r"\ *.*?") + r"\ *\n")
    return re.compile("".join(lines))


def test_patterns() -> None:
    """The rule by which output is compared."""
    assert pattern("a  b …\n").fullmatch("a b c d\n")
    assert pattern("a  …\n").fullmatch("a\n")
    assert pattern("a\n…\nd\n").fullmatch("a\nb\nc\nd\n")
    assert pattern("x…z y\n").fullmatch("x-z   y\n")
    assert not pattern("a b\n").fullmatch("ab\n")
    assert not pattern("a\n").fullmatch("a\nb\n")


@pytest.mark.timeout(300)  # some fifty processes, one after the other
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_do_what_the_page_says(page: Path, tmp_path: Path) -> None:
    """Each of them, in order."""
    program("curl")
    sample = free_port()
    command = [
        sys.executable,
        "-m",
        "proxy.quickstart.sample_api",
        "--listen",
        f"127.0.0.1:{sample}",
    ]
    (tmp_path / "sample").mkdir()
    (tmp_path / "served").mkdir()
    (work := tmp_path / "work").mkdir()
    with (
        running(command, sample, tmp_path / "sample"),
        serving(tmp_path / "served", upstream=f"http://127.0.0.1:{sample}") as served,
    ):
        text = page.read_text()
        for default, url in ((GATE, served.gateway), (OFFICE, served.url)):
            text = text.replace(default, url.removeprefix("http://"))
        every = list(examples(text))
        assert every
        script = "".join(
            f"{{\n{each.commands}}} > {number}.out 2>&1\n" for number, each in enumerate(every)
        )
        env = {**served.env, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["/bin/sh", "-eu"], input=script, cwd=work, env=env, text=True, timeout=270, check=False
        )
        for number, each in enumerate(every):
            output = work / f"{number}.out"
            assert output.exists(), f"nothing was run from line {each.line} on"
            printed = output.read_text()
            if each.output is not None and not pattern(each.output).fullmatch(printed):
                pytest.fail(f"{page.name}, line {each.line}, printed:\n{printed}", pytrace=False)
        assert done.returncode == 0, f"{page.name}, line {each.line}: {printed}"
