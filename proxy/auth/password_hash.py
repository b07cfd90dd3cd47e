"""The stored form of a secret: bcrypt, made and checked here and nowhere else."""

from __future__ import annotations

import bcrypt

from proxy.domain.secret import MAX_PASSWORD


def hash_secret(secret: bytes, rounds: int) -> bytes:
    """The stored form of `secret` at bcrypt cost `rounds` (4 to 31). Blocks: call it in a thread.

    Raises ValueError where `secret` is longer than bcrypt reads, or holds a NUL.
    """
    if len(secret) > MAX_PASSWORD or b"\0" in secret:
        raise ValueError("a secret is at most 72 bytes, none of them NUL")
    return bcrypt.hashpw(secret, bcrypt.gensalt(rounds))


def verify(secret: bytes, stored: bytes) -> bool:
    """Whether `secret` is the one behind `stored`. Blocks: call it in a thread.

    Of a longer secret the first 72 bytes count, as for `htpasswd -B`: a hash that was imported may
    be of one. A stored form that is malformed is a plain False.
    """
    if b"\0" in secret:
        return False
    try:
        return bcrypt.checkpw(secret[:MAX_PASSWORD], stored)
    except ValueError:
        return False


def rounds_of(stored: bytes) -> int:
    """The cost of a stored form, `$2b$10$…` → 10. Raises ValueError where it is none."""
    kind, rounds = stored.split(b"$")[1:3]
    if kind not in {b"2a", b"2b", b"2y"}:
        raise ValueError("not a bcrypt hash")
    return int(rounds)
