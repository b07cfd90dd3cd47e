"""Which fields of an upstream's answers a route sets or leaves out. What becomes of the lines is in
`http1.header_rules`; there is nothing to test here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """The rules of a route. No name is in both, nor twice in one, in whatever case."""

    put: tuple[tuple[bytes, bytes], ...] = ()
    """(name, value) of each field that takes the place of the upstream's own."""
    remove: tuple[bytes, ...] = ()
    """Names of the fields that are left out."""
