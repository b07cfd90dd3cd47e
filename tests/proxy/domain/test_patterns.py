"""Patterns of paths: which there are, and what is wrong with others."""

from __future__ import annotations

import pytest

from proxy.domain.patterns import check_pattern


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/**", "/ping", "/v1/projects/{environment}", "/v1/{environment}/a/**"),
        *("/{environment}/**", "/.well-known/x", "/a:b@c;d".replace(";", ","), "/v1/a*"),
    ],
)
def test_a_pattern_has_literal_segments_and_at_most_one_environment(path: str) -> None:
    """It may end in `**`."""
    assert check_pattern(path) == path


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "begin with /"),
        ("v1", "begin with /"),
        ("//a", "no empty segment"),
        ("/a/", "no slash at its end"),
        ("/a//b", "no empty segment"),
        ("/a/./b", "no dot segment"),
        ("/a/..", "no dot segment"),
        ("/**/a", "only as the last"),
        ("/a/*", "not a wildcard"),
        ("/a/***", "only as the last"),
        ("/{env}", "only placeholder"),
        ("/x{environment}", "only placeholder"),
        ("/{environment}/{environment}", "only once"),
        ("/a%2Fb", "a segment holds only"),
        ("/a;b", "a segment holds only"),
        ("/a?b", "a segment holds only"),
        ("/ä", "a segment holds only"),
        ("/a b", "a segment holds only"),
        ("/a\n", "a segment holds only"),
    ],
)
def test_a_pattern_that_is_ambiguous_or_matches_nothing_is_refused(path: str, reason: str) -> None:
    """The message says which segment rule it breaks."""
    with pytest.raises(ValueError, match=reason):
        check_pattern(path)
