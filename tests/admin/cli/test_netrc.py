"""Reading .netrc files: the first entry of a host, as curl takes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.cli.netrc import find_login

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
def test_the_entry_of_a_host_is_found(text: str) -> None:
    """In any layout, among any other entries."""
    assert find_login(text, "h") == PAIR


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
def test_incomplete_and_default_entries_are_ignored(text: str) -> None:
    """As are entries of other hosts."""
    assert find_login(text, "h") is None


def test_an_entry_is_found_by_its_login() -> None:
    """If a host has several."""
    text = "machine h login A password s\nmachine h login B password t\n"
    assert find_login(text, "h", "B") == ("B", "t")
    assert find_login(text, "h", "C") is None


def test_quoted_words_are_read_as_curl_reads_them() -> None:
    """With spaces, quotes and escapes."""
    assert find_login(r'machine h login A password "a \"b\" \\ c"', "h") == ("A", r'a "b" \ c')
    assert find_login("machine h login A password #x", "h") == ("A", "#x")


@given(st.text())
def test_any_text_can_be_parsed_as_netrc(text: str) -> None:
    """Without an exception."""
    find_login(text, "h")
    find_login(f"machine h {text}", "h")
