"""What is known of the two secrets that a key has while it is rotated. Pure.

Tested in `tests/proxy/store/contract/test_uses.py` and `tests/admin/api/test_rotation_evidence.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SecretUses:
    """Uses of one secret since the key's last rotation. Times are milliseconds since the epoch."""

    first: int | None
    last: int | None
    address: str | None
    """Where the last one came from."""
    count: int


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a key was last rotated, and the uses of its secrets since then, as the usage recorder
    last wrote them. No decision reads them."""

    rotated: int | None = None
    """When the current secret was made; None: with the key."""
    current_first: int | None = None
    current_used: int | None = None
    current_address: str | None = None
    current_count: int = 0
    previous_first: int | None = None
    previous_used: int | None = None
    previous_address: str | None = None
    previous_count: int = 0

    @property
    def current(self) -> SecretUses:
        """Uses of the current secret."""
        return SecretUses(
            self.current_first, self.current_used, self.current_address, self.current_count
        )

    @property
    def previous(self) -> SecretUses:
        """Uses of the secret before the rotation."""
        return SecretUses(
            self.previous_first, self.previous_used, self.previous_address, self.previous_count
        )


NEVER_ROTATED: Final = Rotation()
