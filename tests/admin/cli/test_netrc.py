"""Reading .netrc files: the first entry of a host, as curl takes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.cli.netrc import login_for

PAIR = ("A", "s")


@pytest.mark.parametrize(
    "text",
    [
        "machine h login A password s",
        "machine h\n  login A\n\tpassword s\n",
        "machine h password s login A",
        "machine h login A account x password s",
        "machine H login A password s",
        'machine "h" login "A" password "s"',
        "machine g login B password t machine h login A password s",
        "machine h login A password s machine h login B password t",
        "# machine h login B password t\nmachine h login A password s",
        "machine g login B password t\nmacdef init\ncd x\nmachine h login C password u\n\n"
        "machine h login A password s",
        "default login B password t\nmachine h login A password s",
    ],
)
def test_an_entry_is_found(text: str) -> None:
    """Whatever its layout, and whatever stands around it."""
    assert login_for(text, "h") == PAIR


@pytest.mark.parametrize(
    "text",
    [
        "",
        "machine g login A password s",
        "default login A password s",
        "machine h login A",
        "machine h password s",
        "machine",
        "login A password s",
        "machine g macdef h\nmachine h login A password s",
    ],
)
def test_none_is_found(text: str) -> None:
    """Not for another host, not half an entry, and not the default one."""
    assert login_for(text, "h") is None


def test_an_entry_by_its_login() -> None:
    """Where a host has several keys."""
    text = "machine h login A password s\nmachine h login B password t\n"
    assert login_for(text, "h", "B") == ("B", "t")
    assert login_for(text, "h", "C") is None


def test_quoted_words() -> None:
    """Spaces, quotes and escapes, as curl reads them."""
    assert login_for(r'machine h login A password "a \"b\" \\ c"', "h") == ("A", r'a "b" \ c')
    assert login_for("machine h login A password #x", "h") == ("A", "#x")


@given(st.text())
def test_nothing_makes_it_fail(text: str) -> None:
    """Whatever the file holds."""
    login_for(text, "h")
    login_for(f"machine h {text}", "h")
