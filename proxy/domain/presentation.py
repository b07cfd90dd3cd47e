"""The ways in which a client may present a pair of access key and secret key. Pure.

Tested in `tests/proxy/auth/test_credentials.py`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

BASIC_SCHEME: Final = b"basic"
BEARER_SCHEME: Final = b"bearer"


class Presentation(NamedTuple):
    """What a route reads credentials from. Whatever it reads, the pair is the same."""

    schemes: frozenset[bytes] = frozenset({BASIC_SCHEME})
    """The schemes of Authorization, in lower case; empty: Authorization is not read."""
    field: bytes | None = None
    """The name, in lower case, of a field whose value is the pair, `access key:secret key`."""


BASIC: Final = Presentation()
