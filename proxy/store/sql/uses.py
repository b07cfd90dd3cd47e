"""Uses of keys as SQL: each key has a row of its own in `uses`, from when it is made.

The rule that lives here: uses may be added in any order, and by several nodes at once. Counts add
up, the earliest and the latest time win, and rows are written in the order of their keys, so that
no two nodes wait for one another.

Tested by the contract suite, `tests/proxy/store/contract/test_uses.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from proxy.domain.model import Key, State
from proxy.store.protocols import SecretRef, Uses
from proxy.store.sql.rows import USES

Statement: TypeAlias = tuple[str, list[dict[str, Any]]]
"""A statement, and the values for each of its runs."""

_OF_SECRETS: Final = tuple(
    f"{secret}_{what}"
    for secret in ("current", "previous")
    for what in ("first", "used", "address", "count")
)
_START: Final = (
    f"INSERT INTO uses (key_id, owner_id, live, since, {USES}) "
    f"VALUES (:key_id, :owner_id, :live, :rotated, :{USES.replace(', ', ', :')}) "
    "ON CONFLICT (key_id) DO NOTHING"
)
RESTART: Final = (
    "UPDATE uses SET since = :rotated, "
    + ", ".join(f"{name} = {0 if name.endswith('count') else 'NULL'}" for name in _OF_SECRETS)
    + " WHERE key_id = :key_id AND (coalesce(since, 0) <> coalesce(CAST(:rotated AS BIGINT), 0) "
    "OR EXISTS (SELECT 1 FROM keys WHERE id = :key_id AND secret_hash <> :secret_hash))"
)
"""Begins to count anew for both secrets of a key that is rotated, with the values of `of_rotation`,
before the key itself is changed. Uses that others add meanwhile stay where it is not rotated."""
_END: Final = "UPDATE uses SET live = 0 WHERE key_id = :key_id AND live = 1"


def of_rotation(key: Key) -> dict[str, Any]:
    """The values of `RESTART`."""
    return {
        "key_id": key.id,
        "rotated": key.rotation.rotated,
        "secret_hash": key.secret_hash,
    }


def of_change(key: Key) -> Iterable[Statement]:
    """What becomes of the uses of a key that was made or changed: they begin with the key, and a
    removed key is in no list any more."""
    live = key.state in (State.ACTIVE, State.INACTIVE)
    rotation = key.rotation
    begun = {
        "key_id": key.id,
        "rotated": rotation.rotated,
        "owner_id": key.account_id if key.environment_id is None else key.environment_id,
        "live": int(live),
        "last_used": key.last_used,
        "last_used_address": key.last_used_address,
        "use_count": key.use_count,
    }
    yield _START, [begun | {name: getattr(rotation, name) for name in _OF_SECRETS}]
    if not live:
        yield _END, [{"key_id": key.id}]


def _later(than: str) -> str:
    return f":last >= coalesce({than}, 0)"


def _where(condition: str, column: str, value: str) -> str:
    return f"{column} = CASE WHEN {condition} THEN {value} ELSE {column} END"


def _of_secret(secret: str, previous: int) -> list[str]:
    """Uses from before a rotation count for the key, but for neither of its secrets."""
    counted = (
        f":previous = {previous} AND coalesce(since, 0) = coalesce(CAST(:rotated AS BIGINT), 0)"
    )
    latest = f"{counted} AND {_later(f'{secret}_used')}"
    return [
        _where(
            f"{counted} AND coalesce(:first < {secret}_first, true)", f"{secret}_first", ":first"
        ),
        _where(latest, f"{secret}_address", ":address"),
        _where(latest, f"{secret}_used", ":last"),
        _where(counted, f"{secret}_count", f"{secret}_count + :count"),
    ]


_ADDED: Final = (
    "use_count = use_count + :count",
    _where(_later("last_used"), "last_used_address", ":address"),
    _where(_later("last_used"), "last_used", ":last"),
    *_of_secret("current", 0),
    *_of_secret("previous", 1),
)
ADD: Final = f"UPDATE uses SET {', '.join(_ADDED)} WHERE key_id = :key_id"
"""The statement that adds uses of a secret, with the values of `rows_of`."""


def rows_of(uses: Mapping[SecretRef, Uses]) -> list[dict[str, Any]]:
    """The values of `ADD`, in the order in which rows are to be locked."""
    names = ("first", "last", "address", "count")
    return [
        {"key_id": ref.key_id, "rotated": ref.rotated, "previous": int(ref.previous)}
        | {name: getattr(use, name) for name in names}
        for ref, use in sorted(uses.items(), key=lambda each: each[0].key_id)
    ]
