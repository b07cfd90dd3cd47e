"""The two WebSocket messages of the load, 100 bytes each way (RFC 6455 section 5.2)."""

from typing import Final

TEXT: Final = b"0123456789" * 10
FROM_CLIENT: Final = b"\x81\xe4" + bytes(4) + TEXT
"""Masked, as a client must (RFC 6455 section 5.3), with a mask of zeros."""
TO_CLIENT: Final = b"\x81\x64" + TEXT
