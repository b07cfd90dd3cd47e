"""What people and programs are shown: whole tables, plain text, and data that parses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from admin.cli.texts import printable, printable_json
from tests.admin.cli.served import Served, fresh

LONG = "a long name that goes on and on, far beyond the eighty columns which a terminal has " * 2


def test_tables_in_a_pipe_are_not_cut(served: Served) -> None:
    """Nor folded: a line for each row, without colours, with no spaces at its end."""
    key = served.json("keys", "create", "--name", LONG.strip())
    done = served.process("keys", "list", "--name", LONG[:20], FORCE_COLOR="", COLUMNS="40")
    head, *rows = done.out.splitlines()
    assert head.split()[:3] == ["ID", "STATE", "NAME"]
    (row,) = [row for row in rows if row.startswith(key["id"])]
    assert LONG.strip() in row
    assert "\x1b" not in done.out
    assert all(line == line.rstrip() for line in done.out.splitlines())


def test_tables_at_a_terminal_fit_it(served: Served) -> None:
    """Names are folded, ids and access keys stay whole."""
    key = served.json("keys", "create", "--name", LONG.strip())
    done = served.at_terminal("keys", "list", "--sort", "id", "--desc", "--limit", "5")
    assert key["publicValue"] in done.out
    assert LONG.strip() not in done.out
    assert "…" not in done.out


def test_names_are_neither_markup_nor_control(served: Served) -> None:
    """They stand there as they are, or escaped where they would do something to a terminal."""
    name = fresh("[red]x[/red] :smile: [link=http://h]y")
    made = served.json("environments", "create", name, "--description", "two\nlines")
    done = served.at_terminal("environments", "show", made["id"])
    assert name in done.out
    assert r"two\nlines" in done.out
    served.json("environments", "edit", made["id"], "--description", "tab\there")
    assert r"tab\there" in served.process("environments", "show", made["id"]).out


def test_json_and_yaml_are_the_same_data(served: Served) -> None:
    """A list as an array of resources, one resource as itself."""
    name = fresh("ümläut")
    made = served.json("environments", "create", name)
    for arguments, expected in (
        (["list", "--name", name], [made]),
        (["show", made["id"]], made),
    ):
        as_json = served.process("environments", *arguments, "--output", "json").out
        as_yaml = served.process("environments", *arguments, "-o", "yaml").out
        assert json.loads(as_json) == yaml.safe_load(as_yaml) == expected
        assert name in as_json
        assert name in as_yaml


def test_a_locale_that_lacks_a_character(served: Served) -> None:
    """Is no failure."""
    name = fresh("漢字")
    served.json("environments", "create", name)
    done = served.process("environments", "list", "--name", name, PYTHONIOENCODING="latin-1")
    assert (done.status, done.err) == (0, "")
    assert r"\u6f22\u5b57" in done.out


def test_a_pipe_that_is_closed(served: Served) -> None:
    """Ends the command without a traceback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", "keys", "list"],
        env=dict(served.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait(30)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ümläut 漢字", "plain ümläut 漢字"),
        ("\x1b[31m\r\n\t\x07", r"\x1b[31m\r\n\t\x07"),
        ("\x9b1m\u202eabc\u2028", r"\x9b1m\u202eabc\u2028"),
        ("\ud800\U000e0001", r"\ud800\U000e0001"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    """What is not to be seen is written out; JSON stays the same JSON."""
    assert printable(text) == shown
    escaped = printable_json(json.dumps([text], ensure_ascii=False, indent=2))
    assert json.loads(escaped) == [text]
    assert escaped.replace("\n", "").isprintable()
