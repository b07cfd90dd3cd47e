"""How upstreams may read a path: the same path, decoded, folded and shortened. Pure.

Servers differ in what they do with a path before they look for its resource: some decode it twice,
some ignore case as Unicode defines it, some replace letters by their compatibility forms (NFKC),
some drop parameters. The rule that lives here: a path has all readings to which these steps lead,
in any order and number. `http1.grammar` refuses a path of which one reading climbs to a parent;
`domain.routes` one of which readings match different routes.
"""

from __future__ import annotations

import re
import unicodedata
from functools import partial
from typing import Final
from urllib.parse import unquote

MAX_STEPS: Final = 4
"""How many steps may follow each other until there is no new reading. No client encodes more often,
and 8 KiB of `%252525…` could be decoded thousands of times."""

_PARAMETERS: Final = re.compile(r";[^/]*")
_AFTER_PATH: Final = re.compile(r"[?#].*", re.DOTALL)
_STREAM: Final = re.compile(r":[^/:]*:?\$[^/]*")
"""Of NTFS: `name::$DATA` is the content of `name`."""
_SLASHES: Final = frozenset("\u2044\u2215\u2216\u00a5\u20a9")
"""Code pages of Windows have a slash or a backslash in their place ("best fit")."""
_IGNORED: Final = frozenset({"Mn", "Mc", "Me", "Cf"})
"""Categories of marks, and of what is not seen, such as a zero-width space."""
_SPACES: Final = frozenset({"Zs", "Zl", "Zp"})
LETTERS: Final = 4096
"""How many letters are cached with what they are folded to."""

_decode: Final = partial(unquote, errors="strict")
_without_parameters: Final = partial(_PARAMETERS.sub, "")


def readings(path: str) -> list[str]:
    """All readings of a path, folded; the first is the path as it was sent. Raises ValueError where
    it needs more than `MAX_STEPS`, or where an escape is not UTF-8."""
    found = last = [fold(path)]
    for _ in range(MAX_STEPS + 1):
        steps = (fold(step(each)) for each in last for step in (_decode, _without_parameters))
        last = [each for each in dict.fromkeys(steps) if each not in found]
        if not last:
            return found
        found = found + last
    raise ValueError("a path has too many readings")


def fold(path: str) -> str:
    """A path without the differences between letters that some upstream ignores: in lower case, in
    compatibility forms (NFKC), without marks: `ſ` is an s, `ı` and `İ` an i, `／` a slash."""
    return path.lower() if path.isascii() else path.translate(_FOLDED)


class _Folded(dict[int, str]):
    """A cache of what letters are folded to, by code point: a look-up takes a tenth of the time."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        if letter in _SLASHES:
            forms = "/"
        elif unicodedata.category(letter) in _SPACES:
            forms = " "
        else:  # `ı` is no `i` until it was a capital letter
            forms = unicodedata.normalize("NFKD", letter).upper().casefold()
        seen = [form for form in forms if unicodedata.category(form) not in _IGNORED]
        if len(self) >= LETTERS:
            self.clear()
        return self.setdefault(code, "".join(seen))


_FOLDED: Final = _Folded()


def bare(reading: str) -> str:
    """A reading without what is no part of a name for some upstream: what follows a decoded `?` or
    `#`, empty segments, the names of streams, and the spaces around a segment and the dots behind
    it, which Windows drops."""
    segments = _STREAM.sub("", _AFTER_PATH.sub("", reading)).split("/")
    names = (each.lstrip(" ").rstrip(" .") for each in segments)
    return "/" + "/".join(filter(None, names))
