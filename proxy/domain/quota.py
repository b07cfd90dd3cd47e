"""Quotas: so many requests in each day or month of UTC's calendar. Pure.

Tested in `tests/proxy/domain/test_quota.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

_QUOTA: Final = re.compile(r"([1-9][0-9]{0,14})/(day|month)").fullmatch
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DAY: Final = 86_400_000
"""Milliseconds."""
BLOCKS: Final = 200
"""A quota is granted in as many blocks, at least."""


class Period(StrEnum):
    """A period of UTC's calendar, after which a quota begins anew."""

    DAY = "day"
    MONTH = "month"

    def begins(self, now: int) -> int:
        """When the period of `now` began. All times are in milliseconds since the epoch."""
        if self is Period.DAY:
            return now // _DAY * _DAY
        return _moment(_date(now).replace(day=1))

    def ends(self, now: int) -> int:
        """When the next period begins after `now`."""
        if self is Period.DAY:
            return self.begins(now) + _DAY
        later = _date(now).replace(day=1) + timedelta(days=31)
        return _moment(later.replace(day=1))


@dataclass(frozen=True, slots=True)
class Quota:
    """So many requests in each day or month."""

    count: int
    period: Period

    @classmethod
    def parse(cls, text: str) -> Quota:
        """`10000/day` or `1000000/month`. Raises ValueError."""
        match = _QUOTA(text)
        if match is None:
            raise ValueError("should be a quota such as 10000/day or 1000000/month")
        return cls(int(match[1]), Period(match[2]))

    def __str__(self) -> str:
        return f"{self.count}/{self.period}"

    def covers(self, other: Quota) -> bool:
        """Whether `other` never lets through what this quota refuses. A day's quota bounds a month
        of 31 days, and a month's bounds each of its days."""
        of_days = self.period is Period.MONTH and other.period is Period.DAY
        return other.count * (31 if of_days else 1) <= self.count

    @property
    def block(self) -> int:
        """How many requests are granted at once, so that few are lost where a process is killed
        that has not yet spent them."""
        return max(1, self.count // BLOCKS)


def _date(now: int) -> datetime:
    """The day of a moment."""
    return _EPOCH + timedelta(days=now // _DAY)


def _moment(date: datetime) -> int:
    return (date - _EPOCH) // _MILLISECOND
