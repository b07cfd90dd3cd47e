"""What a list is requested with: order, filters, and the cursor to go on from. Pure data.

The rule that lives here: a page costs the same at any depth. A list goes on from the last record,
never by counting records; filters that the order's index cannot serve are applied to the records
that are read, and no more than `MAX_EXAMINED` records are read for one page, fewer where patterns
make each of them costly. The contract suite (`tests/proxy/store/contract/test_listing.py`) tests
this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

R = TypeVar("R")

MAX_EXAMINED: Final = 10_000
"""Records that are read for one page at most, whether or not they match its filters."""
CHEAP_PATTERNS: Final = 20
"""Characters in all patterns of a query up to which `MAX_EXAMINED` records are read. At this many,
the costliest text and pattern (4,096 and 20 equal letters) take about 0.6 s for that many
records; beyond it, fewer records are read, so that a page takes no longer."""

Value: TypeAlias = int | str


class Modifier(StrEnum):
    """How a filter compares, under the names of Rancher 1.x's API."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    PREFIX = "prefix"
    LIKE = "like"
    """`%` stands for any characters; upper and lower case of A to Z are equal."""
    NOTLIKE = "notlike"
    SEARCH = "search"
    """The text occurs in one of the columns that the store searches in, whatever the filter's own
    column is. No character is a wildcard; upper and lower case of A to Z are equal."""
    NULL = "null"
    NOTNULL = "notnull"
    NULL_OR_LTE = "null_or_lte"
    """As `LTE`, and NULL passes too, which is less than all values."""


_PATTERNS: Final = (Modifier.LIKE, Modifier.NOTLIKE, Modifier.SEARCH)


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one column of a record."""

    column: str
    modifier: Modifier
    value: Value | None = None
    """None for `NULL` and `NOTNULL`, which need none. With `EQ`, None equals nothing, not even a
    column without a value."""
    last: int | None = None
    """Only with `NE`: the values from `value` to this one, both included, are excluded."""


class Cursor(NamedTuple):
    """Where a list goes on: after the record with this value in the sorted column and this id."""

    value: Value
    id: int


@dataclass(frozen=True, slots=True)
class Query:
    """Which page of a list. NULL sorts first; records with equal values are sorted by id."""

    sort: str = "id"
    """A column that the store can sort by."""
    descending: bool = False
    limit: int = 100
    after: Cursor | None = None
    filters: Sequence[Filter] = ()

    @property
    def examined(self) -> int:
        """How many records are read for the page at most."""
        if not self.filters:
            return self.limit + 1
        patterns = sum(len(str(each.value)) for each in self.filters if each.modifier in _PATTERNS)
        return MAX_EXAMINED * CHEAP_PATTERNS // max(patterns, CHEAP_PATTERNS)


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """The records of a page, and where the next page begins."""

    records: list[R]
    next: Cursor | None = None
    """The cursor of the next page, None on the last one."""
    partial: bool = False
    """Whether the page ends because `Query.examined` records were read, not because it is full."""
