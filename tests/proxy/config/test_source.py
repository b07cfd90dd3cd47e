"""YAML in configuration files: plain data with the line of each setting, and nothing ambiguous."""

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
    """The problems in `text`, whether or not anything could be read."""
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
def test_scalars_follow_the_core_schema_of_yaml_1_2(
    tmp_path: Path, text: str, value: object
) -> None:
    """So `off`, `1:30` and a date are text, and `010` is ten."""
    found = read(tmp_path, f"a: {text}\n").data["a"]
    assert found == value
    assert type(found) is type(value)


def test_an_alias_stands_for_the_value_that_it_names(tmp_path: Path) -> None:
    """The value appears in both places."""
    assert read(tmp_path, "a: &x {b: 1}\nc: *x\n").data == {"a": {"b": 1}, "c": {"b": 1}}


def test_a_byte_order_mark_is_not_part_of_the_first_name(tmp_path: Path) -> None:
    """Editors on Windows add one."""
    assert read(tmp_path, b"\xef\xbb\xbfa: 1\n").data == {"a": 1}


def test_a_problem_has_the_line_of_its_setting(tmp_path: Path) -> None:
    """A missing setting has the line of its group."""
    document = read(tmp_path, "a:\n  b:\n    - c: 1\n      d: 2\n")
    document.add_problem(("a", "b", 0, "d"), "x")
    document.add_problem(("a", "b", 0, "missing"), "y")
    document.add_problem(("a", "missing"), "z")
    assert [(p.line, p.path) for p in document.problems] == [
        (4, "a.b[0].d"),
        (3, "a.b[0].missing"),
        (1, "a.missing"),
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "file.yaml: holds no settings"),
        ("# nothing\n", "file.yaml: holds no settings"),
        ("- a\n", "file.yaml:1: should be settings, each as `name: value`"),
        ("a\n", "file.yaml:1: should be settings, each as `name: value`"),
        (b"a: 1\nb: \xff\n", "file.yaml:2: should be UTF-8 text"),
        ("a: 1\nb: \x01\n", "file.yaml:2: holds a character that YAML does not allow"),
        ("a: 1\nb:\n  a: 1\n  a: 2\n", "file.yaml:4: b.a: is set twice, first in line 3"),
        ("a: 1\n---\nb: 1\n", "file.yaml:2: not YAML: expected a single document in the stream"),
        ("a: [1\nb: 2\n", "file.yaml:2: not YAML: while parsing a flow sequence"),
        ("a:\n\t- b\n", "file.yaml:2: not YAML: while scanning for the next token"),
        ("a: *x\n", "file.yaml:1: not YAML: found undefined alias"),
        ("a: &x [*x]\n", "file.yaml:1: a[0]: holds an alias of itself"),
        ("a: !!python/name:os.system x\n", "file.yaml:1: a: has a YAML tag that is not supported"),
        ("a: !!int x\n", "file.yaml:1: a: has a value that its YAML type does not allow"),
        ("a: !!bool x\n", "file.yaml:1: a: has a value that its YAML type does not allow"),
        ('a: "\\0"\n', "file.yaml:1: a: has a value that its YAML type does not allow"),
        ("a: " + "9" * 5000, "file.yaml:1: a: has a value that its YAML type does not allow"),
        ("a:\n  ? [b]\n  : c\n", "file.yaml:1: a: line 2: a name should be text"),
        ('"\\e[31m": 1\na: 1\n', "file.yaml:1: line 1: a name should be text"),
        ("[" * 100_000, "file.yaml: is nested too deeply"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused_with_its_line(
    tmp_path: Path, text: str | bytes, complaint: str
) -> None:
    """As is one with a tag, name or value that has no place in settings."""
    (message,) = complaints(tmp_path, text)
    assert message.startswith(complaint)


def test_aliases_that_expand_to_a_billion_values_are_refused(tmp_path: Path) -> None:
    """Before they are expanded."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (message,) = complaints(tmp_path, "\n".join(lines))
    assert message.endswith("holds an alias of itself, or expands to too much")


def test_a_file_that_cannot_be_read_is_named_in_the_error(tmp_path: Path) -> None:
    """With the reason that the system gives."""
    with pytest.raises(ConfigError, match="nowhere: cannot read: No such file or directory"):
        read_document(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="cannot read: Is a directory"):
        read_document(tmp_path)


def test_the_most_deeply_nested_variable_wins(tmp_path: Path) -> None:
    """A variable for one setting overrides one for its whole group."""
    document = read(tmp_path, "a: 1\n")
    document.override({"WARDGATE__B__C": "2", "WARDGATE__B": "{c: 1, d: 1}"})
    assert document.data == {"a": 1, "b": {"c": 2, "d": 1}}


def test_an_empty_variable_removes_the_value_of_a_setting(tmp_path: Path) -> None:
    """So the default applies."""
    document = read(tmp_path, "a: 1\n")
    document.override({"WARDGATE__A": ""})
    assert document.data == {"a": None}
    assert document.problems == []
