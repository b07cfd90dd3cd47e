"""Advice is applied to the key as it was when the advice was given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from admin.service import AdviceService, Caller, KeyService
from admin.service.errors import Refused
from proxy.domain.limits import Limits, parse_limits
from tests.admin.admin_api import ROUNDS, AdminApi, Presented
from tests.admin.api.test_advice import use

NARROW = parse_limits({"scopes": ["GET /any"]})


async def caller_of(api: AdminApi) -> Caller:
    """The admin."""
    account = await api.store.get_account(1)
    assert account is not None
    return Caller(api.admin.key, account, api.admin.key.secret_hash, "127.0.0.1", "r1")


def service_of(api: AdminApi) -> AdviceService:
    """The service, where usage is kept for 90 days."""
    keys = KeyService(api.store, api.clock, ROUNDS)
    return AdviceService(api.store, api.clock, keys, tuple, 90)


async def a_used_key(api: AdminApi) -> Presented:
    """A key for which `NARROW` would have been enough."""
    key = await api.key(await api.account())
    await use(api, key, "/any")
    return key


async def limits_of(api: AdminApi, key: Presented) -> Limits:
    """The limits of a key now."""
    found = await api.store.get_key(key.key.id)
    assert found is not None
    return found.limits


async def test_limits_that_were_set_since_then_stay(api: AdminApi) -> None:
    """They may be narrower, or have parts that advice knows nothing of."""
    service = service_of(api)
    caller, key = await caller_of(api), await a_used_key(api)
    advice = await service.advise(caller, key.key.id, 90)
    since = parse_limits({"rate": "1/h"})
    await api.put(replace(key.key, limits=since))
    with pytest.raises(Refused) as refused:
        await service.apply(caller, advice)
    assert refused.value.code == "Conflict"
    assert await limits_of(api, key) == since
    await service.apply(caller, await service.advise(caller, key.key.id, 90))
    assert await limits_of(api, key) == replace(since, scopes=NARROW.scopes)


async def test_what_is_not_narrower_is_not_applied(api: AdminApi) -> None:
    """Not even as a trial, which would take the force from what is there."""
    service = service_of(api)
    caller, key = await caller_of(api), await a_used_key(api)
    await service.apply(caller, await service.advise(caller, key.key.id, 90))
    advice = await service.advise(caller, key.key.id, 90)
    for trial in (False, True):
        with pytest.raises(Refused) as refused:
            await service.apply(caller, advice, trial=trial)
        assert refused.value.code == "Conflict"
    assert await limits_of(api, key) == NARROW
