"""The stored form of a secret matches that secret alone, and nothing makes it raise."""

from __future__ import annotations

import subprocess

import pytest

from proxy.auth.password_hash import hash_secret, rounds_of, verify
from tests.programs import program


def test_a_hash_matches_its_secret_and_no_other() -> None:
    """The cost is in the hash."""
    stored = hash_secret(b"right", 4)
    assert verify(b"right", stored)
    assert not verify(b"wrong", stored)
    assert rounds_of(stored) == 4


@pytest.mark.parametrize("secret", [b"a" * 73, b"a\0b"])
def test_what_bcrypt_would_cut_short_is_not_hashed(secret: bytes) -> None:
    """A secret with more than 72 bytes, or with a NUL."""
    with pytest.raises(ValueError, match="72 bytes"):
        hash_secret(secret, 4)


def test_of_a_long_secret_the_first_72_bytes_count() -> None:
    """As where its hash was imported from; what follows a NUL counts nowhere."""
    stored = hash_secret(b"a" * 72, 4)
    assert verify(b"a" * 73, stored)
    assert verify(b"a" * 72 + b"b" * 4000, stored)
    assert not verify(b"a" * 71, stored)
    assert not verify(b"a" * 71 + b"b", stored)
    assert not verify(b"a\0b", hash_secret(b"a", 4))


HTPASSWD_PASSWORDS = [
    *(b"x" * 71, b"x" * 72, b"x" * 73, b"y" * 200, b"correct horse", "ü€漢".encode()),
    *("ü".encode() * 40, b"a:b", b" "),
]


@pytest.mark.parametrize("password", HTPASSWD_PASSWORDS)
def test_a_password_matches_as_htpasswd_hashed_it(password: bytes) -> None:
    """Apache's `htpasswd -B` takes up to 255 bytes, and its bcrypt reads 72 of them."""
    command = [program("htpasswd"), "-niB", "-C", "4", "name"]
    done = subprocess.run(command, input=password, capture_output=True, check=True)
    stored = done.stdout.strip().partition(b":")[2]
    assert verify(password, stored)
    assert verify(password + b"z", stored) is (len(password) >= 72)
    assert not verify(password[:-1], stored) or len(password) > 72


@pytest.mark.parametrize("stored", [b"", b"x", b"$2b$04$short", b"$1$abc$def", b"\xff"])
def test_a_malformed_hash_matches_nothing(stored: bytes) -> None:
    """It is a refusal, not an error."""
    assert not verify(b"anything", stored)
