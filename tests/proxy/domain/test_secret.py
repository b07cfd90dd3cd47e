"""Secret keys: their form, their seal, and their stored form."""

from __future__ import annotations

import re

import pytest

from proxy.domain.secret import (
    ALPHABET,
    generate,
    hash_secret,
    needs_rehash,
    new_access_key,
    rounds_of,
    seal_fits,
    verify,
)

SEAL_KEY = b"k" * 32


def test_a_key_has_the_form_that_clients_and_scanners_know() -> None:
    """An access key is 20 upper-case hex characters, a secret key `wgs_` and 40 of base58."""
    access_key = new_access_key()
    assert re.fullmatch(r"[0-9A-F]{20}", access_key)
    assert re.fullmatch(f"wgs_[{ALPHABET}]{{40}}", generate(access_key, SEAL_KEY))


def test_a_seal_fits_only_what_it_was_made_for() -> None:
    """It does not fit another access key, another server key, or a secret with one other
    character."""
    secret = generate("A1", SEAL_KEY).encode()
    assert seal_fits(b"A1", secret, SEAL_KEY)
    assert not seal_fits(b"A2", secret, SEAL_KEY)
    assert not seal_fits(b"A1", secret, b"j" * 32)
    for place in range(len(secret)):
        changed = bytearray(secret)
        changed[place] = ord("2") if changed[place] != ord("2") else ord("3")
        assert not seal_fits(b"A1", bytes(changed), SEAL_KEY)


@pytest.mark.parametrize("secret", [b"", b"wgs_", b"x" * 72, b"\xff" * 44, b"wgs_" + b"1" * 41])
def test_no_seal_fits_bytes_that_are_no_secret_of_ours(secret: bytes) -> None:
    """Whatever their length and value, the answer is no, and not an error."""
    assert not seal_fits(b"A1", secret, SEAL_KEY)


def test_a_hash_matches_its_secret_and_no_other() -> None:
    """The cost is in the hash."""
    stored = hash_secret(b"right", 4)
    assert verify(b"right", stored)
    assert not verify(b"wrong", stored)
    assert rounds_of(stored) == 4
    assert needs_rehash(stored, 5)
    assert not needs_rehash(stored, 4)


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
