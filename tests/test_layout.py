"""The layout: what is pure stays so, and what a module does is tested where its path says."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    path.relative_to(ROOT)
    for package in ("proxy", "admin")
    for path in (ROOT / package).rglob("*.py")
    if path.name not in {"__init__.py", "__main__.py"}
)
PURE = [path for path in MODULES if path.parts[1] in {"domain", "http1", "targets"}]


@pytest.mark.parametrize("path", PURE, ids=str)
def test_what_is_pure_imports_the_standard_library_and_what_is_pure_alone(path: Path) -> None:
    """They can be fuzzed, proved and compiled by themselves."""
    imported = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    ours = tuple({"proxy.domain", f"proxy.{path.parts[1]}"})
    others = {name for name in imported if not name.startswith(ours)}
    assert {name.partition(".")[0] for name in others} <= sys.stdlib_module_names


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_has_a_test_at_the_mirrored_path_or_says_where_it_is_tested(path: Path) -> None:
    """`proxy/auth/records.py` is tested in `tests/proxy/auth/test_records.py`."""
    mirrored = ROOT / "tests" / path.parent / f"test_{path.stem.lstrip('_')}.py"
    about = ast.get_docstring(ast.parse((ROOT / path).read_text())) or ""
    assert mirrored.exists() or re.search(r"\b(Tested|test_\w+|nothing to test)\b", about)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_opens_with_what_it_is_for(path: Path) -> None:
    """In its docstring."""
    assert ast.get_docstring(ast.parse((ROOT / path).read_text()))


@pytest.mark.parametrize("folder", ["proxy", "admin", "tests"])
def test_no_file_has_more_lines_than_can_be_read_at_one_sitting(folder: str) -> None:
    """That is 400, for modules and for tests."""
    sizes = {path: path.read_text().count("\n") for path in (ROOT / folder).rglob("*.py")}
    assert {path.name: size for path, size in sizes.items() if size > 400} == {}
