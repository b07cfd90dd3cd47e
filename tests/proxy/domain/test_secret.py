"""Secret keys: their form, their seal, and their stored form."""

from __future__ import annotations

import hmac
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.secret import ALPHABET, generate, new_access_key, seal_fits

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


@given(access_key=st.binary(max_size=80), seal_key=st.binary(max_size=200))
def test_a_seal_is_an_hmac(access_key: bytes, seal_key: bytes) -> None:
    """That of the standard library, whatever the length of the key: secrets that were made before
    fit for ever."""
    body = b"wgs_" + b"1" * 29
    mac = hmac.digest(seal_key, access_key + b"\0" + body, "sha256")
    seal = "".join(ALPHABET[byte % 58] for byte in mac[:11]).encode()
    assert seal_fits(access_key, body + seal, seal_key)


@pytest.mark.parametrize("secret", [b"", b"wgs_", b"x" * 72, b"\xff" * 44, b"wgs_" + b"1" * 41])
def test_no_seal_fits_bytes_that_are_no_secret_of_ours(secret: bytes) -> None:
    """Whatever their length and value, the answer is no, and not an error."""
    assert not seal_fits(b"A1", secret, SEAL_KEY)
