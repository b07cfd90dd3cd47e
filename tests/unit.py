"""Which tests are unit tests: those that start neither a process nor a whole gateway.

What the file of a test imports says so, as do the files of its fixtures and of the helpers that it
imports. Unit tests are marked `unit`, for `make test-unit`; one that starts a process fails.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

WIDE = {"subprocess", "proxy.node"}
"""Modules that no unit test imports: one starts processes, the other wires the whole gateway."""
STARTS = {"os.fork", "os.forkpty", "os.posix_spawn", "subprocess.Popen"}
"""The audit events of a process that is started (sys.addaudithook)."""

_TESTS = Path(__file__).parent
_IMPORT = re.compile(r"^\s*(?:from|import) ([\w.]+)", re.MULTILINE)


@cache
def is_narrow(file: Path) -> bool:
    """Whether a file of the tests imports nothing of WIDE, itself or through other such files."""
    modules = _IMPORT.findall(file.read_text())
    if not WIDE.isdisjoint(modules):
        return False
    named = (_TESTS.parent / (name.replace(".", "/") + ".py") for name in modules)
    helpers = (each for each in named if each.is_relative_to(_TESTS) and each.is_file())
    return all(is_narrow(each) for each in helpers)


def files_of(item: pytest.Item) -> Iterator[Path]:
    """The file of a test, and those of its fixtures that are files of the tests."""
    yield item.path
    assert isinstance(item, pytest.Function)
    for fixtures in item._fixtureinfo.name2fixturedefs.values():
        files = (Path(fixture.func.__code__.co_filename) for fixture in fixtures)
        yield from (each for each in files if each.is_relative_to(_TESTS))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a unit test as one."""
    if all(map(is_narrow, files_of(item))):
        item.add_marker("unit")


_in_unit_test = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Hold a unit test to starting no process."""
    global _in_unit_test  # noqa: PLW0603 - an audit hook stays for good: there is one
    _in_unit_test = item.get_closest_marker("unit") is not None
    try:
        return (yield)
    finally:
        _in_unit_test = False


def _refuse_processes(event: str, _arguments: object) -> None:
    if _in_unit_test and event in STARTS:
        pytest.fail("a unit test started a process: tests/unit.py says which tests are that")


sys.addaudithook(_refuse_processes)
