"""Usage: how many requests were made with a key, by an account's keys or to an environment.

The rule that lives here: who may see a key, an account or an environment may see its usage. Of the
keys that act in an environment, those that the caller may not see are summed up as one.
(Tested over HTTP, by tests/admin/api/test_usage.py.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from admin.service.accounts import AccountService
from admin.service.audit_log import require_sight
from admin.service.base import Caller, Service
from admin.service.environments import EnvironmentService
from admin.service.errors import Refused, no_environment
from admin.service.keys import KeyService
from admin.service.names import visible_records
from admin.service.permissions import Standing, Subject, general_standing
from proxy.domain.errors import ListTooCostly
from proxy.domain.usage import HOUR, Dimension, UsageQuery, UsageRow, Value
from proxy.store.protocols import Store

MAX_ROWS: Final = 10_000
"""Of one report."""
UNSEEN: Final = -1
"""In place of the id of a key: all keys that the caller may not see. 0 is no key."""


class UsageService(Service):
    """Reads usage."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        keys: KeyService,
        accounts: AccountService,
        environments: EnvironmentService,
    ) -> None:
        super().__init__(store, clock)
        self._keys = keys
        self._accounts = accounts
        self._environments = environments

    async def report(
        self,
        caller: Caller,
        subject: Subject,
        subject_id: int | None,
        start: int,
        end: int,
        by: Sequence[Dimension] = (),
        scope: int | None = None,
    ) -> list[UsageRow]:
        """The usage from `start` on and before `end`, in milliseconds since the epoch.

        Usage is counted by the hour: the hours in which they lie count in full (`whole_hours`). The
        rows have the values of `by`, and are sorted by them; without any there is one row.

        `subject` is ENVIRONMENT for the requests to an environment, and those by its own keys
        wherever they went; ACCOUNT for those by all keys of an account; ACCOUNT_KEY or
        ENVIRONMENT_KEY, which are the same here, for those by one key; AUDIT, without an id, for
        all requests, which whoever may see the audit log may see. `scope` is the id of the only
        environment that the request may see, or None. Raises `Refused`.
        """
        key = account = environment = None
        if subject is Subject.AUDIT:
            require_sight(caller)
        elif subject_id is None:
            raise Refused("NotFound")
        elif subject is Subject.ACCOUNT:
            account = (await self._accounts.get(caller, subject_id)).record.id
        elif subject is Subject.ENVIRONMENT:
            if scope not in {None, subject_id}:
                raise no_environment(f"1a{subject_id}")
            environment = (await self._environments.get(caller, subject_id)).record.id
        else:
            key = (await self._keys.get(caller, subject_id, scope)).record.id
        hours = whole_hours(start, end)
        query = UsageQuery(*hours, by, key, account, environment, most=MAX_ROWS + 1)
        try:
            rows = await self._store.sum_usage(query)
        except ListTooCostly:
            raise Refused("ListTooCostly", _NARROWER) from None
        if len(rows) > MAX_ROWS:
            raise Refused("TooManyRows", _NARROWER)
        if Dimension.KEY in by and general_standing(caller.owner) is Standing.NONE:
            return await self._without_unseen(caller, rows, by.index(Dimension.KEY))
        return rows

    async def _without_unseen(
        self, caller: Caller, rows: Sequence[UsageRow], place: int
    ) -> list[UsageRow]:
        """The rows with `UNSEEN` at `place` for all keys that the caller may not see."""
        ids = {int(row.values[place]) for row in rows}
        seen = {each.id for each in await visible_records(self._store, caller, (), ids)} | {0}
        sums: dict[tuple[Value, ...], UsageRow] = {}
        for row in rows:
            values = row.values
            if values[place] not in seen:
                values = (*values[:place], UNSEEN, *values[place + 1 :])
            sums[values] = _added(sums.get(values), row)._replace(values=values)
        return [sums[values] for values in sorted(sums)]


def _added(sum_: UsageRow | None, row: UsageRow) -> UsageRow:
    if sum_ is None:
        return row
    return UsageRow(
        row.values,
        sum_.requests + row.requests,
        sum_.refused + row.refused,
        sum_.failed + row.failed,
        sum_.received + row.received,
        sum_.sent + row.sent,
        sum_.seconds + row.seconds,
    )


_NARROWER: Final = "ask for a shorter time, or for less in `by`"


def whole_hours(start: int, end: int) -> tuple[int, int]:
    """The time from the beginning of the hour of `start` to the end of the one before `end`."""
    return start - start % HOUR, end + -end % HOUR
