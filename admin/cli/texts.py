"""Text from elsewhere as it may be shown: what a terminal would act upon is written out."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""`text` with everything escaped that is not to be seen, as in `\x1b` or `\n`.

    Among it what moves the cursor, changes colours, or turns the order of what follows.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def printable_json(text: str) -> str:
    """The same for JSON of several lines, which stays the same JSON."""
    return "".join(
        each if each.isprintable() or each == "\n" else _json_escaped(each) for each in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _json_escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
