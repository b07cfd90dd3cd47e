"""JSON as HTML: indented, its parts told apart by classes, and the server's own links clickable.

The rule that lives here: text becomes a link by its place, and only where it is a URL of this
server. The names and descriptions that users write stand in no such place, whatever they hold.

Tested in `tests/admin/console/test_json_markup.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any, Final, TypeAlias

from markupsafe import Markup

Path: TypeAlias = tuple[str | int, ...]
"""Where a value is: names of members, and numbers of elements."""

WIDTH: Final = 88
"""Columns up to which an object or array of plain values stays on one line."""
DEEPEST: Final = 32
"""Levels that are indented. Only what was altered in the store is nested deeper."""

_LINKS: Final = frozenset({"links", "actions", "createTypes", "sortLinks", "pagination", "sort"})
"""The members of a resource or a collection in which the server writes URLs."""
_UNSEEN: Final = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What is not shown, or changes how other text is shown: it is written as JSON's `\\u202e`."""


def json_markup(content: Any, origin: str) -> Markup:
    """JSON as HTML. URLs under `origin` become links where the server writes URLs."""
    return Markup("".join(_Writer(f"{origin}/").value(content, ())))  # noqa: S704 - escaped below


class _Writer:
    def __init__(self, base: str) -> None:
        self._base = base

    def value(self, value: Any, path: Path) -> Iterator[str]:
        """The pieces of a value's HTML."""
        if isinstance(value, dict | list) and value and len(path) < DEEPEST:
            inline = None if path[-1:] and path[-1] in _LINKS else _inline(value, 2 * len(path))
            yield from (inline,) if inline is not None else self._lines(value, path)
        else:
            yield self._plain(value, path)

    def _lines(self, value: Any, path: Path) -> Iterator[str]:
        """An object or array with a line for each of its parts."""
        is_object = isinstance(value, dict)
        indent = "  " * len(path)
        yield "{" if is_object else "["
        for number, (name, each) in enumerate(value.items() if is_object else enumerate(value)):
            yield f"{',' if number else ''}\n{indent}  "
            if is_object:
                yield f"{_marked('k', _text(name))}: "
            yield from self.value(each, (*path, name))
        yield f"\n{indent}{'}' if is_object else ']'}"

    def _plain(self, value: Any, path: Path) -> str:
        if isinstance(value, str):
            if self._is_link(value, path):
                href = _to_form(value) if path[-2] in {"actions", "createTypes"} else value
                return f'"<a href="{escape(href)}">{_text(value)[1:-1]}</a>"'
            if path and path[-1] == "secretValue":
                return f"<mark>{_text(value)}</mark>"
        return _scalar(value)

    def _is_link(self, value: str, path: Path) -> bool:
        place = path[:-2] if len(path) > 1 and path[-2] in _LINKS else None
        of_server = place == () or (place is not None and place[0] in {"data", "apiKey"})
        return of_server and len(path) <= 4 and value.startswith(self._base)


def _to_form(url: str) -> str:
    """Where the form of an action is, or that to create something: on the page of what it is done
    to."""
    page, _, action = url.partition("/?action=")
    return f"{page}#action-{action or 'create'}"


def _inline(value: Any, column: int) -> str | None:
    """An object or array of plain values on one line; None where it does not fit."""
    parts = value.values() if isinstance(value, dict) else value
    if any(isinstance(part, dict | list) and part for part in parts):
        return None
    if column + len(json.dumps(value, ensure_ascii=False)) > WIDTH:
        return None
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    members = (f"{_marked('k', _text(name))}: {_scalar(each)}" for name, each in value.items())
    return f"{{{', '.join(members)}}}"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return _marked("n" if is_number else "c", _text(value))


def _text(value: Any) -> str:
    """A value's JSON, escaped for HTML."""
    text = json.dumps(value, ensure_ascii=False)
    return escape(_UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text), quote=False)


def _marked(kind: str, text: str) -> str:
    return f'<span class="{kind}">{text}</span>'
