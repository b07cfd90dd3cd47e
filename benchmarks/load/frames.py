"""The WebSocket messages of the load: 100 bytes each way, always the same (RFC 6455)."""

from typing import Final

TEXT: Final = b"0123456789" * 10
FROM_CLIENT: Final = b"\x81\xe4" + bytes(4) + TEXT
"""Masked, as a client's must be, by a mask of zeros."""
TO_CLIENT: Final = b"\x81\x64" + TEXT
