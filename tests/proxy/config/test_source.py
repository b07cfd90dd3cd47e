"""YAML as configuration files hold it: plain data with lines, and nothing that means two things."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.source import ConfigError, Document, read_document


def read(folder: Path, text: str | bytes) -> Document:
    """Read `text` as a file."""
    path = folder / "file.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_document(path)


def complaints(folder: Path, text: str | bytes) -> list[str]:
    """What is wrong with `text`, whether or not anything could be read."""
    try:
        problems = read(folder, text).problems
    except ConfigError as error:
        problems = error.problems
    return [str(problem).removeprefix(f"{folder}/") for problem in problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("yes", "yes"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("010", 10),
        ("1_000", "1_000"),
        ("0x10", 16),
        ("-1", -1),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        ("True", True),
        ("~", None),
        ("", None),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("[a, {b: c}]", ["a", {"b": "c"}]),
    ],
)
def test_scalars(tmp_path: Path, text: str, value: object) -> None:
    """Scalars are read by the core schema of YAML 1.2."""
    found = read(tmp_path, f"a: {text}\n").data["a"]
    assert found == value
    assert type(found) is type(value)


def test_aliases(tmp_path: Path) -> None:
    """An alias stands for what it names."""
    assert read(tmp_path, "a: &x {b: 1}\nc: *x\n").data == {"a": {"b": 1}, "c": {"b": 1}}


def test_byte_order_mark(tmp_path: Path) -> None:
    """A byte order mark is no part of the first name."""
    assert read(tmp_path, b"\xef\xbb\xbfa: 1\n").data == {"a": 1}


def test_lines(tmp_path: Path) -> None:
    """What is wrong is told with the line where its name stands; what is missing, its group's."""
    document = read(tmp_path, "a:\n  b:\n    - c: 1\n      d: 2\n")
    document.problem(("a", "b", 0, "d"), "x")
    document.problem(("a", "b", 0, "missing"), "y")
    document.problem(("a", "missing"), "z")
    assert [(p.line, p.path) for p in document.problems] == [
        (4, "a.b[0].d"),
        (3, "a.b[0].missing"),
        (1, "a.missing"),
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "file.yaml: no settings in it"),
        ("# nothing\n", "file.yaml: no settings in it"),
        ("- a\n", "file.yaml:1: should be settings, each as `name: value`"),
        ("a\n", "file.yaml:1: should be settings, each as `name: value`"),
        (b"a: 1\nb: \xff\n", "file.yaml:2: not UTF-8"),
        ("a: 1\nb: \x01\n", "file.yaml:2: a character that YAML does not allow"),
        ("a: 1\nb:\n  a: 1\n  a: 2\n", "file.yaml:4: b.a: given twice, first in line 3"),
        ("a: 1\n---\nb: 1\n", "file.yaml:2: not YAML: expected a single document in the stream"),
        ("a: [1\nb: 2\n", "file.yaml:2: not YAML: while parsing a flow sequence"),
        ("a:\n\t- b\n", "file.yaml:2: not YAML: while scanning for the next token"),
        ("a: *x\n", "file.yaml:1: not YAML: found undefined alias"),
        ("a: &x [*x]\n", "file.yaml:1: a[0]: an alias that holds itself"),
        ("a: !!python/name:os.system x\n", "file.yaml:1: a: a YAML tag that is not supported"),
        ("a: !!int x\n", "file.yaml:1: a: a value that its YAML type does not allow"),
        ("a: !!bool x\n", "file.yaml:1: a: a value that its YAML type does not allow"),
        ('a: "\\0"\n', "file.yaml:1: a: a value that its YAML type does not allow"),
        ("a: " + "9" * 5000, "file.yaml:1: a: a value that its YAML type does not allow"),
        ("a:\n  ? [b]\n  : c\n", "file.yaml:1: a: line 2: a name should be text"),
        ('"\\e[31m": 1\na: 1\n', "file.yaml:1: line 1: a name should be text"),
        ("[" * 100_000, "file.yaml: nested too deeply"),
    ],
)
def test_refused(tmp_path: Path, text: str | bytes, complaint: str) -> None:
    """What is no file of settings is refused with its line."""
    (told,) = complaints(tmp_path, text)
    assert told.startswith(complaint)


def test_aliases_of_aliases(tmp_path: Path) -> None:
    """A small file that stands for a billion values is refused, not unfolded."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (told,) = complaints(tmp_path, "\n".join(lines))
    assert told.endswith("an alias that holds itself, or stands for too much")


def test_unreadable(tmp_path: Path) -> None:
    """A file that is missing, or no file, is refused by name."""
    with pytest.raises(ConfigError, match="nowhere: cannot read: No such file or directory"):
        read_document(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="cannot read: Is a directory"):
        read_document(tmp_path)


def test_the_deepest_variable_wins(tmp_path: Path) -> None:
    """A variable for one setting goes over one for its whole group."""
    document = read(tmp_path, "a: 1\n")
    document.override({"WARDGATE__B__C": "2", "WARDGATE__B": "{c: 1, d: 1}"})
    assert document.data == {"a": 1, "b": {"c": 2, "d": 1}}


def test_an_empty_variable(tmp_path: Path) -> None:
    """A variable without a value takes a setting's value away."""
    document = read(tmp_path, "a: 1\n")
    document.override({"WARDGATE__A": ""})
    assert document.data == {"a": None}
    assert document.problems == []
