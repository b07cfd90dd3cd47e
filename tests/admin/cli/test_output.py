"""What a command prints: whole tables, plain text, and data that programs can parse."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from admin.cli.printable import printable, printable_json
from tests.admin.cli.served import Served, fresh

LONG = "a long name that goes on and on, far beyond the eighty columns which a terminal has " * 2


def test_a_table_in_a_pipe_has_one_uncut_line_for_each_row(served: Served) -> None:
    """Without colours, and without spaces at the end."""
    key = served.json("keys", "create", "--name", LONG.strip())
    done = served.process("keys", "list", "--name", LONG[:20], FORCE_COLOR="", COLUMNS="40")
    head, *rows = done.out.splitlines()
    assert head.split()[:3] == ["ID", "STATE", "NAME"]
    (row,) = [row for row in rows if row.startswith(key["id"])]
    assert LONG.strip() in row
    assert "\x1b" not in done.out
    assert all(line == line.rstrip() for line in done.out.splitlines())


def test_a_table_at_a_terminal_fits_its_width(served: Served) -> None:
    """Names are wrapped; ids and access keys are not."""
    key = served.json("keys", "create", "--name", LONG.strip())
    done = served.at_terminal("keys", "list", "--sort", "id", "--desc", "--limit", "5")
    assert key["publicValue"] in done.out
    assert LONG.strip() not in done.out
    assert "…" not in done.out


def test_names_are_shown_as_text_without_markup_or_control_characters(served: Served) -> None:
    """Control characters are escaped."""
    name = fresh("[red]x[/red] :smile: [link=http://h]y")
    made = served.json("environments", "create", name, "--description", "two\nlines")
    done = served.at_terminal("environments", "show", made["id"])
    assert name in done.out
    assert r"two\nlines" in done.out
    served.json("environments", "edit", made["id"], "--description", "tab\there")
    assert r"tab\there" in served.process("environments", "show", made["id"]).out


def test_json_and_yaml_are_the_same_data(served: Served) -> None:
    """A list is an array of resources."""
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


def test_a_character_that_the_locale_lacks_is_escaped(served: Served) -> None:
    """The command succeeds."""
    name = fresh("漢字")
    served.json("environments", "create", name)
    done = served.process("environments", "list", "--name", name, PYTHONIOENCODING="latin-1")
    assert (done.status, done.err) == (0, "")
    assert r"\u6f22\u5b57" in done.out


def test_a_closed_pipe_ends_a_command_without_a_traceback(served: Served) -> None:
    """Standard error stays empty."""
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
def test_invisible_characters_are_escaped(text: str, shown: str) -> None:
    """JSON stays the same JSON."""
    assert printable(text) == shown
    escaped = printable_json(json.dumps([text], ensure_ascii=False, indent=2))
    assert json.loads(escaped) == [text]
    assert escaped.replace("\n", "").isprintable()
