"""docs/threat-model.md names tests for each promise, and each test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "threat-model.md").read_text()
PROMISED = TEXT.partition("\n## What is promised\n")[2].partition("\n## ")[0]
PROMISES = {
    each.partition("\n")[0]: each.partition("\n")[2] for each in PROMISED.split("\n### ")[1:]
}
NAMED = sorted(set(re.findall(r"`([^`]+::[^`]+)`", TEXT)))


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_says_what_it_rests_on_and_names_its_tests(promise: str) -> None:
    """A promise is a paragraph, and then its tests, one in each line."""
    words, _, tests = PROMISES[promise].strip().partition("\n\n")
    assert words
    for line in tests.splitlines():
        assert re.fullmatch(r"- `tests/[\w/]+\.py::test_\w+`", line), line


@pytest.mark.parametrize("file", sorted({name.partition("::")[0] for name in NAMED}))
def test_each_test_that_is_named_exists(file: str) -> None:
    """In its file, by this name, once."""
    tree = ast.parse((ROOT / file).read_text())
    there = [
        each.name
        for each in tree.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        and each.name.startswith("test_")
    ]
    assert len(there) == len(set(there))
    named = {name.partition("::")[2] for name in NAMED if name.startswith(f"{file}::")}
    assert named <= set(there), f"not in {file}: {named - set(there)}"
