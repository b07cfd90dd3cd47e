"""Escapes text from others, so that a terminal shows it and does not act on it.

Tested in `tests/admin/cli/test_output.py`.
"""

from __future__ import annotations


def printable(text: str) -> str:
    r"""`text` with every invisible character escaped, as in `\x1b` or `\n`.

    These could move the cursor, change colours or reverse the order of the text.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def printable_json(text: str) -> str:
    """JSON with every invisible character but line feeds escaped; it stays the same JSON."""
    return "".join(
        each if each.isprintable() or each == "\n" else _json_escaped(each) for each in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _json_escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
