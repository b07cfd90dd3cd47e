"""The examples in the documentation are true: they are run against a newly started Wardgate.

All blocks of a page that are marked `sh` run in one shell, in order, so that a variable set in one
is set in the next. A block marked `text` that follows one is the output that its commands must
print. In it `…` stands for any text within a line, or, alone on a line, for any number of lines. No
other blocks are run.

The commands of a page find a gateway in front of the sample API, an admin server, and the admin's
key in `~/.netrc`. The pages show the default addresses; the test replaces them by those in use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from proxy.config.load import load
from tests.admin.cli.served import serving
from tests.programs import free_port, program, running

DOCS = Path(__file__).parent.parent / "docs"
ROUTES = DOCS / "routes.md"
PAGES = [DOCS / name for name in ("cli.md", "admin-api.md", "limits.md", "metrics.md")]
README = DOCS.parent / "README.md"
GATEWAY, ADMIN_SERVER = "127.0.0.1:8080", "127.0.0.1:8081"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """Commands and their output; None where the page does not show it."""

    line: int
    commands: str
    output: str | None


def examples(page: str) -> Iterator[Example]:
    """The blocks of a page that are run."""
    blocks = list(_BLOCK.finditer(page))
    for number, block in enumerate(blocks):
        if block[1] != "sh":
            continue
        after = blocks[number + 1] if number + 1 < len(blocks) else None
        follows = after and after[1] == "text" and not page[block.end() : after.start()].strip()
        line = page.count("\n", 0, block.start()) + 1
        yield Example(line, block[2], after[2] if after and follows else None)


def pattern(expected: str) -> re.Pattern[str]:
    """What matches `expected`, where several spaces count as one and `…` as anything."""
    lines = []
    for line in expected.splitlines():
        if line.strip() == "…":
            lines.append(r"(?:.*\n)*?")
            continue
        words = [".*?".join(map(re.escape, word.split("…"))) for word in line.split()]
        lines.append(r"\ *" + r"\ +".join(words).replace(r"\ +.*?", r"\ *.*?") + r"\ *\n")
    return re.compile("".join(lines))


def test_an_ellipsis_in_an_expected_output_stands_for_any_text() -> None:
    """On a line of its own it stands for any lines; the number of spaces does not count."""
    assert pattern("a  b …\n").fullmatch("a b c d\n")
    assert pattern("a  …\n").fullmatch("a\n")
    assert pattern("a\n…\nd\n").fullmatch("a\nb\nc\nd\n")
    assert pattern("x…z y\n").fullmatch("x-z   y\n")
    assert not pattern("a b\n").fullmatch("ab\n")
    assert not pattern("a\n").fullmatch("a\nb\n")


@pytest.mark.timeout(300)  # it runs some fifty processes, one after the other
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    """All of them are run in order, and a command that fails ends the page."""
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
        for shown, url in ((GATEWAY, served.gateway), (ADMIN_SERVER, served.url)):
            text = text.replace(shown, url.removeprefix("http://"))
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
            assert output.exists(), f"{page.name}: no command from line {each.line} on was run"
            printed = output.read_text()
            if each.output is not None and not pattern(each.output).fullmatch(printed):
                pytest.fail(f"{page.name}, line {each.line}, printed:\n{printed}", pytrace=False)
        assert done.returncode == 0, f"{page.name}, line {each.line}: {printed}"


def test_the_configurations_in_the_readme_load(tmp_path: Path) -> None:
    """The smallest one loads as it stands, and with the routes that the README shows; so does that
    of a node."""
    smallest, node, *more = (
        block[2] for block in _BLOCK.finditer(README.read_text()) if block[1] == "yaml"
    )
    path = tmp_path / "wardgate.yaml"
    path.write_text(node)
    assert load(path, {}).cluster.name == "gate-1"
    path.write_text(smallest)
    assert load(path, {}).admin is not None
    upstreams = (README.parent / "docs" / "upstreams.md").read_text()
    listed, named = (block[2] for block in _BLOCK.finditer(upstreams) if block[1] == "yaml")
    path.write_text(smallest.replace("upstream: http://127.0.0.1:9000", "") + listed)
    assert len(load(path, {}).upstreams["default"].servers) == 3
    path.write_text(smallest.replace("upstream: http://127.0.0.1:9000", "") + named)
    assert load(path, {}).upstreams["default"].resolve
    for routes in more:
        path.write_text(smallest + routes)
        assert len(load(path, {}).routes) == len(re.findall(r"- \{?path:", routes))


def test_the_routes_of_their_page_load(tmp_path: Path) -> None:
    """Each example by itself, in the smallest configuration, with the files that it names."""
    smallest = next(block[2] for block in _BLOCK.finditer(README.read_text()) if block[1] == "yaml")
    authority = trustme.CA()
    issued = authority.issue_cert("gateway.internal")
    authority.cert_pem.write_to_path(tmp_path / "inventory-ca.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "inventory-client.crt")
    issued.private_key_pem.write_to_path(tmp_path / "inventory-client.key")
    path = tmp_path / "wardgate.yaml"
    every = [block[2] for block in _BLOCK.finditer(ROUTES.read_text()) if block[1] == "yaml"]
    assert every
    for shown in every:
        text = smallest
        if "upstreams:" in shown:
            text = re.sub(r"(?m)^upstream:.*\n", "", text)
        path.write_text(text + shown.replace("/etc/wardgate", str(tmp_path)))
        assert load(path, {}).routes
