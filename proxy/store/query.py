"""What is asked of a list: order, filters, and the place to go on from. Pure.

The rule that lives here: a list costs the same at any depth. It goes on from the last record, never
by counting; what its order cannot narrow down is filtered, and no more than `MAX_EXAMINED` records
are examined for one answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

R = TypeVar("R")

MAX_EXAMINED: Final = 10_000

Value: TypeAlias = int | str


class Modifier(StrEnum):
    """How a filter compares, by the names that Rancher's API has for it."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    PREFIX = "prefix"
    LIKE = "like"
    """`%` stands for any characters, case aside."""
    NOTLIKE = "notlike"
    NULL = "null"
    NOTNULL = "notnull"


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one column of a record."""

    column: str
    modifier: Modifier
    value: Value | None = None
    """None for `NULL` and `NOTNULL` alone."""
    last: int | None = None
    """Of `NE` alone: none of the values from `value` up to this one is meant."""


class Cursor(NamedTuple):
    """Where a list goes on: behind the record with this value in the order's column and this id."""

    value: Value
    id: int


@dataclass(frozen=True, slots=True)
class Query:
    """A piece of a list. NULL is the least value of a column; the id decides between equals."""

    sort: str = "id"
    """A column that the store can sort by."""
    descending: bool = False
    limit: int = 100
    after: Cursor | None = None
    filters: Sequence[Filter] = ()


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """What a list has for a query."""

    records: list[R]
    next: Cursor | None = None
    """Where the list goes on, None at its end."""
    partial: bool = False
    """Whether it broke off because too many records were examined, not because it was full."""
