"""Tokens of forms that may be sent once: a page that is loaded again makes no second key.

Tested in `tests/admin/console/test_key_pages.py`.
"""

from __future__ import annotations

import secrets
from typing import Final

MAX_OPEN: Final = 4096
"""Forms that are open at once; the oldest is forgotten first, and has to be loaded again."""


class FormTokens:
    """The tokens of the forms that are open."""

    def __init__(self) -> None:
        self._open: dict[str, None] = {}

    def new(self) -> str:
        """A token for a form."""
        if len(self._open) >= MAX_OPEN:
            del self._open[next(iter(self._open))]
        token = secrets.token_urlsafe(16)
        self._open[token] = None
        return token

    def take(self, token: str) -> bool:
        """Whether the form with this token is sent for the first time."""
        return self._open.pop(token, self) is None
