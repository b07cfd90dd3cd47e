"""The rules of a route about the fields of an upstream's answers, applied to their lines. Pure.

The configuration refuses rules about fields on which the meaning of the message or of the
connection depends (`config.header_rules`), so nothing here has to look at framing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from proxy.domain.header_rules import HeaderRules

RULES: Final = 256
"""How many routes' rules are kept in their compiled form."""


def ruled(rules: HeaderRules, lines: bytes) -> bytes:
    """The field `lines` of an upstream, without those that `rules` leave out or set, and with those
    that they set at the end."""
    without, added = _compiled(rules)
    return without(b"", lines) + added


@lru_cache(maxsize=RULES)
def _compiled(rules: HeaderRules) -> tuple[Callable[[bytes, bytes], bytes], bytes]:
    names = [*rules.remove, *(name for name, _ in rules.put)]
    pattern = b"|".join(map(re.escape, names))
    matching = re.compile(rb"^(?:%b):[^\r\n]*\r\n" % pattern, re.IGNORECASE | re.MULTILINE)
    return matching.sub, b"".join(b"%b: %b\r\n" % field for field in rules.put)
