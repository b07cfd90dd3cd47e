"""The URL of a store, as it may be shown to others, and its password, which may not.

Tested in `tests/proxy/store/postgres/test_address.py` and `tests/proxy/store/test_open.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

Password: TypeAlias = str | Callable[[], str] | None
"""A password, or what returns it for each connection; it raises `OSError` where it cannot."""

_USER: Final = re.compile(r"^([^:]*:(?://)?[^:@]*):.*@", re.DOTALL)
_OPTION: Final = re.compile(r"([?&](?!host=)[^=&]*)=[^&]*")


def shown(url: str) -> str:
    """The URL in quotes, without what may be a password: what stands between a user and the last @,
    however the rest of it would be read, and the values of all options but `host`."""
    return repr(_OPTION.sub(r"\1=…", _USER.sub(r"\1:…@", url)))
