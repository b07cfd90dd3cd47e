"""While a key is rotated it shows which secret is used, and the old one can end by itself."""

from __future__ import annotations

from typing import Any

import pytest

from admin.service.quiet_rotations import SETTLING, QuietRotations
from proxy.domain.errors import StoreUnavailable
from tests.admin.admin_api import AdminApi, Answer, Presented
from tests.admin.api.test_rotation import HOUR, KEYS, a_key, works
from tests.support.seed import used

DAY = 24 * HOUR


async def rotate(api: AdminApi, key: Presented, **body: object) -> Answer:
    """Have the admin rotate a key."""
    return await api.admin.post(f"{KEYS}/{key.key.ref}/?action=rotate", body)


async def secrets(api: AdminApi, key: Presented) -> list[dict[str, Any]]:
    """What the API shows of the secrets of a key."""
    shown: list[dict[str, Any]] = (await api.admin.get(f"{KEYS}/{key.key.ref}")).body["secrets"]
    return shown


async def nothing() -> None:
    """Write the uses of nobody."""


def rotations(api: AdminApi) -> QuietRotations:
    """What ends them, of a server that has run for long enough."""
    ending = QuietRotations(api.store, api.clock, nothing)
    api.clock.now += SETTLING
    return ending


async def test_a_key_that_was_never_rotated_has_one_secret_and_its_uses(api: AdminApi) -> None:
    """It was made with the key."""
    key = await a_key(api)
    await api.store.record_usage(used(key.key.id, api.clock.now, count=3), {})
    (only,) = await secrets(api, key)
    assert (only["secret"], only["createdTS"]) == ("current", key.key.created)
    assert (only["firstUsedTS"], only["lastUsedTS"]) == (api.clock.now, api.clock.now)
    assert (only["lastUsedAddress"], only["useCount"]) == ("192.0.2.1", 3)


async def test_a_rotated_key_shows_since_when_and_from_where_each_secret_is_used(
    api: AdminApi,
) -> None:
    """Counted from the rotation on, until the overlap is over."""
    key, began = await a_key(api), api.clock.now
    number = key.key.id
    await api.store.record_usage(used(number, began, count=9), {})
    await rotate(api, key, overlap="2h")
    for time, address in ((began + 1000, "192.0.2.9"), (began + 3000, "198.51.100.7")):
        uses = used(number, time, address=address, rotated=began, previous=True)
        await api.store.record_usage(uses, {})
    await api.store.record_usage(used(number, began + 2000, rotated=began), {})
    new, previous = await secrets(api, key)
    assert (new["secret"], new["createdTS"], new["useCount"]) == ("current", began, 1)
    assert (previous["secret"], previous["expiresTS"]) == ("previous", began + 2 * HOUR)
    assert (previous["firstUsedTS"], previous["lastUsedTS"]) == (began + 1000, began + 3000)
    assert (previous["lastUsedAddress"], previous["useCount"]) == ("198.51.100.7", 2)
    assert (previous["finishWhenQuiet"], previous["quietAt"]) == (None, None)
    api.clock.now += 2 * HOUR
    assert [each["secret"] for each in await secrets(api, key)] == ["current"]


async def test_an_old_secret_ends_once_nobody_has_used_it_for_as_long_as_was_asked(
    api: AdminApi,
) -> None:
    """A use puts that off; the audit log has the end, and the new secret goes on."""
    ending, key, began = rotations(api), await a_key(api), api.clock.now
    answer = await rotate(api, key, finishWhenQuiet="3d")
    new = api.with_secret(answer)
    _, previous = answer.body["secrets"]
    assert (previous["finishWhenQuiet"], previous["quietAtTS"]) == ("3d", began + 3 * DAY)
    assert previous["expiresTS"] == began + 30 * DAY
    last = began + 2 * DAY
    await api.store.record_usage(used(key.key.id, last, rotated=began, previous=True), {})
    assert (await secrets(api, key))[1]["quietAtTS"] == last + 3 * DAY
    api.clock.now = last + 3 * DAY - 1
    await ending.tick()
    assert await works(key)
    api.clock.now += 1
    await ending.tick()
    await ending.tick()
    assert [await works(key), await works(new)] == [False, True]
    kept = await api.store.get_key(key.key.id)
    assert kept is not None
    assert (kept.previous_hash, kept.quiet) == (None, None)
    entry = api.audit()[-1]
    assert (entry["act"], entry["subject"]) == ("key.finish_rotation", key.key.ref)
    assert (entry["account"], entry["key"]) == (None, None)
    assert entry["before"] == {"previous_until": began + 30 * DAY, "quiet": 3 * DAY}
    assert entry["after"] == {"previous_until": None, "quiet": None}
    assert len([each for each in api.audit() if each["act"] == "key.finish_rotation"]) == 1


async def test_a_secret_that_is_used_all_the_time_ends_with_the_overlap(api: AdminApi) -> None:
    """The overlap is the outer bound."""
    ending, key, began = rotations(api), await a_key(api), api.clock.now
    await rotate(api, key, overlap="5d", finishWhenQuiet="3d")
    for day in range(1, 6):
        uses = used(key.key.id, began + day * DAY, rotated=began, previous=True)
        await api.store.record_usage(uses, {})
        api.clock.now = began + day * DAY
        await ending.tick()
        assert await works(key) == (day < 5)


async def test_a_server_that_has_just_started_ends_no_secret(api: AdminApi) -> None:
    """Nobody could use it while the server was stopped."""
    key = await a_key(api)
    await rotate(api, key, finishWhenQuiet="1h")
    api.clock.now += DAY
    started = QuietRotations(api.store, api.clock, nothing)
    await started.tick()
    assert await works(key)
    api.clock.now += SETTLING
    await started.tick()
    assert not await works(key)


async def test_uses_that_are_not_written_yet_count(api: AdminApi) -> None:
    """They are written first; where that fails, no secret ends."""
    key, began = await a_key(api), api.clock.now + SETTLING

    async def write() -> None:
        if not available:
            raise StoreUnavailable("away")
        uses = used(key.key.id, api.clock.now, rotated=began, previous=True)
        await api.store.record_usage(uses, {})

    ending = QuietRotations(api.store, api.clock, write)
    api.clock.now += SETTLING
    await rotate(api, key, finishWhenQuiet="1h")
    api.clock.now += HOUR
    available = False
    with pytest.raises(StoreUnavailable):
        await ending.tick()
    available = True
    await ending.tick()
    assert await works(key)


async def test_a_later_rotation_without_it_ends_at_its_overlap_alone(api: AdminApi) -> None:
    """What was asked for at one rotation is not kept for the next."""
    ending, key = rotations(api), await a_key(api)
    second = api.with_secret(await rotate(api, key, finishWhenQuiet="1h"))
    await rotate(api, key, overlap="2d")
    api.clock.now += DAY
    await ending.tick()
    assert await works(second)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"finishWhenQuiet": "soon"}, "422 InvalidFormat finishWhenQuiet"),
        ({"finishWhenQuiet": 3}, "422 InvalidType finishWhenQuiet"),
        ({"finishWhenQuiet": None}, "422 NotNullable finishWhenQuiet"),
        ({"finishWhenQuiet": "0"}, "422 InvalidOption finishWhenQuiet"),
        ({"finishWhenQuiet": "30d"}, "422 InvalidOption finishWhenQuiet"),
        ({"finishWhenQuiet": "1h", "overlap": "1h"}, "422 InvalidOption finishWhenQuiet"),
        ({"finishWhenQuiet": "1h", "overlap": "0"}, "422 InvalidOption finishWhenQuiet"),
    ],
)
async def test_a_quiet_time_that_could_not_end_the_secret_earlier_is_refused(
    api: AdminApi, body: dict[str, object], code: str
) -> None:
    """It changes nothing."""
    key = await a_key(api)
    assert (await rotate(api, key, **body)).code == code
    assert len(await secrets(api, key)) == 1
