"""How a key changes from one secret to the next. Pure.

Tested in `tests/admin/api/test_rotation.py` and `tests/admin/api/test_rotation_evidence.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from proxy.domain.model import Key
from proxy.domain.rotation import Rotation

QUIET_OVERLAP: Final = 30 * 24 * 60 * 60 * 1000
"""How long an old secret that ends when it is quiet stays valid at most, in milliseconds, unless
the setting or the caller says otherwise."""


def usual_overlap(setting: int, *, quiet: bool) -> int:
    """How long an old secret stays valid at most where the caller does not say it. `setting` is the
    one for that, `quiet` whether the secret ends when it is quiet. Both times are milliseconds."""
    return max(setting, QUIET_OVERLAP) if quiet else setting


def with_secret(
    key: Key, secret_hash: bytes, now: int, overlap: int, quiet: int | None = None
) -> Key:
    """The key with a new sealed secret, made `now`.

    The one until now stays valid for `overlap`, and ends earlier once it goes unused for `quiet`,
    both in milliseconds.
    """
    return replace(
        key,
        secret_hash=secret_hash,
        sealed=True,
        previous_hash=key.secret_hash if overlap else None,
        previous_sealed=key.sealed or not overlap,
        previous_until=now + overlap if overlap else None,
        quiet=quiet if overlap else None,
        rotation=Rotation(now),
    )


def without_previous(key: Key) -> Key:
    """The key with its current secret alone."""
    return replace(key, previous_hash=None, previous_sealed=True, previous_until=None, quiet=None)


def quiet_at(key: Key, now: int) -> int | None:
    """When the previous secret, if it is valid at `now`, will have gone unused for long enough to
    end early. None where it does not end so."""
    since = key.rotation.rotated
    if key.quiet is None or since is None or not key.has_previous(now):
        return None
    return max(since, key.rotation.previous_used or 0) + key.quiet
