"""The form of names that stand in URLs, in field values and in the log. Pure.

Tested in `tests/proxy/domain/test_model.py`.
"""

from __future__ import annotations

import re
from typing import Final

SLUG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
"""An environment's name in URL paths. No character of it means anything else to a URL parser."""

ACCESS_KEY: Final = re.compile(r"[A-Za-z0-9._@+-]{1,64}")
"""Access keys become field values and log members. Those made here are 20 upper-case hex digits."""
