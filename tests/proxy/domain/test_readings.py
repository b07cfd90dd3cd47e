"""The readings of a path: what upstreams make of it."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.readings import LETTERS, MAX_STEPS, bare, fold, readings


@pytest.mark.parametrize(
    ("path", "others"),
    [
        ("/v1/x", []),
        ("/V1/X", []),
        ("/x%41", ["/xa"]),
        ("/x%2Fy", ["/x/y"]),
        ("/x%252Fy", ["/x%2fy", "/x/y"]),
        ("/x;a%2Fb/c", ["/x;a/b/c", "/x/c", "/x/b/c"]),
        ("/x%3Ba%2Fb", ["/x;a/b", "/x/b"]),
        ("/x%EF%BC%8Fy", ["/x/y"]),
        ("/x%EF%BC%8541", ["/x%41", "/xa"]),
        ("/x%EF%BC%9By", ["/x;y", "/x"]),
    ],
)
def test_a_path_has_the_readings_to_which_some_steps_lead(path: str, others: list[str]) -> None:
    """To decode and to drop parameters, in either order, and more than once."""
    assert readings(path) == [path.lower(), *others]


@pytest.mark.parametrize(
    ("letters", "folded"),
    [
        ("ſ", "s"),
        ("ı", "i"),
        ("İ", "i"),
        ("K", "k"),
        ("Å", "a"),
        ("ß", "ss"),
        ("ﬁ", "fi"),
        ("ｖ１", "v1"),
        ("①", "1"),
        ("é", "e"),
        ("e\u0301", "e"),
        ("℀", "a/c"),
        ("／⁄∕¥", "////"),
        ("．․‥…", "......."),
        ("a\u200b\u00ad\ufeffb", "ab"),
        ("\u3000", " "),
        ("漢字", "漢字"),
    ],
)
def test_letters_that_some_upstream_takes_for_others_are_folded(letters: str, folded: str) -> None:
    """By Unicode's case folding, compatibility forms and marks, and by Windows' code pages."""
    assert fold(letters) == folded


@given(st.text())
def test_no_form_of_a_letter_that_is_ascii_is_missed(text: str) -> None:
    """Whatever lower case, upper case, case folding and normal forms make of it, in any order, is
    folded to the same letters."""
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        for change in (str.lower, str.upper, str.casefold):
            other = unicodedata.normalize(form, change(unicodedata.normalize(form, text)))
            if other.isascii():
                assert fold(fold(text)) == fold(other)


@pytest.mark.parametrize(
    ("reading", "left"),
    [
        ("/", "/"),
        ("/v1/x/", "/v1/x"),
        ("//v1///x", "/v1/x"),
        ("/v1./x. . /y..", "/v1/x/y"),
        ("/ v1 / x", "/v1/x"),
        ("/.x/..y", "/.x/..y"),
        ("/x?y/z", "/x"),
        ("/x#\n/z", "/x"),
        ("/v1::$data/x:$i30:$index_allocation/y:z:$data", "/v1/x/y"),
        ("/v1:x/a:b:c/$x", "/v1:x/a:b:c/$x"),
        ("/{environment}/**", "/{environment}/**"),
    ],
)
def test_what_is_no_part_of_a_name_is_left_out(reading: str, left: str) -> None:
    """Empty segments, names of streams, spaces around a segment, dots behind it, and all from a `?`
    or `#` on."""
    assert bare(reading) == left


@pytest.mark.parametrize(
    "path", ["/%" + "25" * 2000 + "41", "/%" + "25" * MAX_STEPS + "41", "/%ff", "/%25ff", "/%c3"]
)
def test_a_path_with_too_many_readings_or_bytes_that_are_no_text_has_none(path: str) -> None:
    """Nobody encodes a path five times."""
    with pytest.raises(ValueError, match=r"."):
        readings(path)


def test_a_path_has_few_readings_whatever_it_is() -> None:
    """The steps are few, and most of them lead to the same."""
    assert len(readings("/;/%253B%3B%25253B;%253B%25253B%252F%25252F%2F%25" * 100)) == 16


def test_folded_letters_take_up_a_bounded_amount_of_memory() -> None:
    """However many there are."""
    text = "".join(map(chr, range(0x100, 0x100 + 2 * LETTERS)))
    assert fold(text + unquote("%C5%BF")).endswith("s")
