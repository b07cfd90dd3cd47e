"""From which networks a key was used is known, up to a bound that is known too."""

from __future__ import annotations

from proxy.domain.clock import now_ms
from proxy.store.protocols import MOST_NETWORKS, SecretRef, Store, Uses


async def use(store: Store, time: int, *networks: str, key: int = 9) -> None:
    """A use from these networks."""
    uses = Uses(time, time, "192.0.2.1", 1, set(networks))
    await store.record_usage({SecretRef(key): uses}, {})


async def test_the_last_use_from_each_network_is_known(store: Store) -> None:
    """Of one key, since some time."""
    await use(store, 10, "a", "b")
    await use(store, 20, "b", "c")
    await use(store, 30, "z", key=8)
    assert await store.list_networks(9, 0) == [("a", 10), ("b", 20), ("c", 20)]
    assert await store.list_networks(9, 11) == [("b", 20), ("c", 20)]
    assert await store.list_networks(7, 0) == []


async def test_one_more_than_the_bound_is_kept_of_a_key(store: Store) -> None:
    """Those that were used last, so that it is known that there were more."""
    for number in range(100):
        await use(store, number, f"n{number:03}")
    found = await store.list_networks(9, 0)
    assert [last for _, last in found] == list(range(100 - MOST_NETWORKS - 1, 100))


async def test_it_is_known_since_when_networks_are_noted(store: Store) -> None:
    """Since the store was made, or migrated."""
    assert now_ms() - 600_000 < await store.networks_since() <= now_ms()
