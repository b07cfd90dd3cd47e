"""`--help`: quick, and complete about how commands end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from admin.cli import GROUPS
from tests.admin.cli.served import Served

HEAVY = {"aiohttp", "rich", "yaml", "uvloop", "asyncio", "dns"}


def loaded(*arguments: str) -> set[str]:
    """Which of the heavy packages a command loads."""
    code = (
        "import sys; from proxy.__main__ import main; sys.argv[1:] = "
        f"{list(arguments)!r}\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return HEAVY & set(done.stderr.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["keys", "--help"],
        ["keys", "list", "--help"],
        ["whoami", "--help"],
    ],
)
def test_help_imports_no_client_and_no_server(arguments: list[str]) -> None:
    """Nor any other package that takes long to import."""
    assert loaded(*arguments) == set()


@pytest.mark.parametrize("group", [[], *([name] for name in GROUPS)])
def test_every_help_page_of_a_group_lists_the_exit_statuses(
    served: Served, group: list[str]
) -> None:
    """As does the help of the whole program."""
    done = served.run(*group, "--help")
    assert done.status == 0
    for each in (
        "0 done",
        "1 failed",
        "2 wrong usage",
        "3 refused",
        "4 not found",
        "5 the admin server",
    ):
        assert each in done.out


def test_a_missing_or_unknown_command_is_a_usage_error(served: Served) -> None:
    """Exit status 2."""
    assert served.run("keys").status == 2
    assert served.run("keys", "frobnicate").status == 2
    assert served.run("frobnicate").status == 2


@pytest.mark.parametrize("place", [["--url", "http://x"], ["keys", "--url", "http://x", "list"]])
def test_an_option_before_its_command_is_told_its_place(served: Served, place: list[str]) -> None:
    """Other programs take some there."""
    failed = served.run(*place)
    assert failed.status == 2
    assert "No such option '--url' here: those of a command stand behind its name." in failed.err
