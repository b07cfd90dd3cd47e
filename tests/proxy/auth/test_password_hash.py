"""The stored form of a secret matches that secret alone, and nothing makes it raise."""

from __future__ import annotations

import pytest

from proxy.auth.password_hash import hash_secret, rounds_of, verify


def test_a_hash_matches_its_secret_and_no_other() -> None:
    """The cost is in the hash."""
    stored = hash_secret(b"right", 4)
    assert verify(b"right", stored)
    assert not verify(b"wrong", stored)
    assert rounds_of(stored) == 4


@pytest.mark.parametrize("secret", [b"a" * 73, b"a\0b"])
def test_what_bcrypt_would_cut_short_is_refused(secret: bytes) -> None:
    """A secret with more than 72 bytes, or with a NUL, is never truncated."""
    with pytest.raises(ValueError, match="72 bytes"):
        hash_secret(secret, 4)
    assert not verify(secret, hash_secret(secret[:1], 4))


@pytest.mark.parametrize("stored", [b"", b"x", b"$2b$04$short", b"$1$abc$def", b"\xff"])
def test_a_malformed_hash_matches_nothing(stored: bytes) -> None:
    """It is a refusal, not an error."""
    assert not verify(b"anything", stored)
