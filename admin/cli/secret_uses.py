"""Which of a key's secrets is used, since when and from where, as lines of text.

Tested in `tests/admin/cli/test_keys.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from admin.cli.admin_client import Json


def uses_of(which: str) -> Callable[[Json], object]:
    """Makes a function from a key to what is known of its `current` or `previous` secret: None
    unless it has two."""

    def line(key: Json) -> object:
        secrets = {secret.get("secret"): secret for secret in key.get("secrets") or []}
        return _line(secrets[which]) if len(secrets) > 1 and which in secrets else None

    return line


def _line(secret: Json) -> str:
    ends = f", ends at {secret['quietAt']} unless it is used again" if secret.get("quietAt") else ""
    if not secret.get("useCount"):
        return f"not used since the rotation{ends}"
    times = "once" if secret["useCount"] == 1 else f"{secret['useCount']} times"
    since = f"used {times} since {secret['firstUsed']}"
    return f"{since}, last at {secret['lastUsed']} from {secret['lastUsedAddress']}{ends}"
