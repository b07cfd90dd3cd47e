"""What the keeper and a worker tell each other, as JSON.

The rule that lives here: what comes from a worker is checked against the type that is expected.
Records go the other way only, as rows of the store (`store.sql.rows`).

Tested in `tests/proxy/workers/test_codec.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, TypeVar

from pydantic import AfterValidator, TypeAdapter

from proxy.domain.model import Key
from proxy.domain.rate_grants import RateDemand, RateGrant
from proxy.domain.usage import Series, Sums
from proxy.store.protocols import (
    Changes,
    QuotaDemand,
    QuotaGrant,
    QuotaRefund,
    SecretRef,
    Uses,
)
from proxy.store.sql.rows import (
    KEY,
    row_of,
    to_account,
    to_environment,
    to_key,
    to_membership,
)

T = TypeVar("T")

Json: TypeAlias = Any
QuotaCall: TypeAlias = tuple[dict[str, QuotaDemand], list[QuotaRefund], int]

_HASHES: Final = tuple(KEY.split(", ").index(name) for name in ("secret_hash", "previous_hash"))
"""The places of bytes in the row of a key."""


class Call(NamedTuple):
    """One thing that a worker may ask the keeper for."""

    arguments: TypeAdapter[Any]
    """Of the tuple of its arguments."""
    encode: Callable[[Any], Json]
    """The answer, as JSON."""
    decode: Callable[[Json], Any]
    """The answer again."""
    reads: bool = False
    """Whether it changes nothing, so that it may be asked twice."""


def text_of(data: bytes) -> str:
    """Bytes, in a string of JSON."""
    return data.decode("latin-1")


def bytes_of(text: str) -> bytes:
    """Those bytes again. Raises ValueError."""
    return text.encode("latin-1")


def _key_row(key: Key) -> Json:
    return [text_of(each) if isinstance(each, bytes) else each for each in row_of(key)]


def _key_of(row: Json) -> Key:
    values = list(row)
    for place in _HASHES:
        values[place] = values[place] and bytes_of(values[place])
    return to_key(values)


def changes_json(changes: Changes) -> Json:
    """What one transaction changed, as far as workers need it: without the audit log."""
    return {
        "revision": changes.revision,
        "accounts": [row_of(each) for each in changes.accounts],
        "environments": [row_of(each) for each in changes.environments],
        "keys": [_key_row(each) for each in changes.keys],
        "memberships": [
            [account, environment, each and row_of(each)]
            for account, environment, each in changes.memberships
        ],
        "settings": changes.settings,
    }


def to_changes(found: Json) -> Changes:
    """The changes again."""
    return Changes(
        revision=found["revision"],
        accounts=[to_account(row) for row in found["accounts"]],
        environments=[to_environment(row) for row in found["environments"]],
        keys=[_key_of(row) for row in found["keys"]],
        memberships=[
            (account, environment, row and to_membership(row))
            for account, environment, row in found["memberships"]
        ],
        settings=found["settings"],
    )


def _load(argument: Any, encode: Callable[[Any], Json], decode: Callable[[Json], Any]) -> Call:
    """One that answers with a revision, and the record or None."""

    def encoded(found: tuple[int, Any]) -> Json:
        revision, record = found
        return [revision, None if record is None else encode(record)]

    def decoded(found: Json) -> tuple[int, Any]:
        revision, row = found
        return revision, None if row is None else decode(row)

    return Call(TypeAdapter(tuple[argument]), encoded, decoded, reads=True)


def _same(value: T) -> T:
    return value


def _nothing_negative(given: QuotaCall) -> QuotaCall:
    demands, refunds, _ = given
    if any(each.wanted < 0 for each in demands.values()) or any(e.unspent < 0 for e in refunds):
        raise ValueError("less than nothing")
    return given


_GRANTS: Final = TypeAdapter(dict[str, QuotaGrant])
_RATES: Final = TypeAdapter(dict[str, RateGrant])

CALLS: Final[dict[str, Call]] = {
    "load_key": _load(str, _key_row, _key_of),
    "load_account": _load(int, row_of, to_account),
    "load_environment": _load(int, row_of, to_environment),
    "load_slug": _load(str, _same, _same),
    "load_membership": _load(tuple[int, int], row_of, to_membership),
    "load_settings": Call(TypeAdapter(tuple[()]), list, tuple, reads=True),
    "unsealed_rounds": Call(TypeAdapter(tuple[()]), _same, _same, reads=True),
    "record_usage": Call(
        TypeAdapter(tuple[list[tuple[SecretRef, Uses]], list[tuple[Series, Sums]]]), _same, _same
    ),
    "grant_quotas": Call(
        TypeAdapter(
            Annotated[
                tuple[dict[str, QuotaDemand], list[QuotaRefund], int],
                AfterValidator(_nothing_negative),
            ]
        ),
        lambda grants: _GRANTS.dump_python(grants, mode="json"),
        _GRANTS.validate_python,
    ),
    "grant_rates": Call(
        TypeAdapter(tuple[dict[str, RateDemand]]),
        lambda grants: _RATES.dump_python(grants, mode="json"),
        _RATES.validate_python,
    ),
}
"""By the name of the store's method."""
