"""The addresses of a host: how long they count, and the order in which they are tried."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Sequence

import pytest
from aiohappyeyeballs import AddrInfoType

from proxy.gateway.addresses import ASIDE, MAX_AGE, Addresses


def info(ip: str) -> AddrInfoType:
    """An address as getaddrinfo returns it."""
    if ":" in ip:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (ip, 0, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (ip, 0)


class Names:
    """A host whose addresses the test sets, and a clock that it sets too."""

    def __init__(self, *ips: str) -> None:
        self.ips: Sequence[str] = ips
        """What a lookup finds; nothing: it fails."""
        self.now = 0.0
        self.lookups = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.changes: list[Collection[str]] = []
        self.reports: list[str | None] = []
        self.addresses = Addresses("api", self.changes.append, self.resolve, lambda: self.now)
        self.addresses.report = self.reports.append

    async def resolve(self, host: str) -> Sequence[AddrInfoType]:
        """Look up the host."""
        assert host == "api"
        self.lookups += 1
        await self.may_answer.wait()
        if not self.ips:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return [info(ip) for ip in self.ips]

    async def order(self) -> list[str]:
        """The order in which to try the addresses now."""
        return [str(each[4][0]) for each in await self.addresses.in_order(80)]

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, with ticks, and what follows from them happen."""
        self.now += seconds
        for _ in range(5):
            self.addresses.tick()
            await asyncio.sleep(0)


async def test_each_connection_begins_with_the_next_address() -> None:
    """So all of them are used. An address that is listed twice counts once."""
    names = Names("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1")
    assert [(await names.order())[0][-1] for _ in range(5)] == list("12312")
    assert await names.order() == ["10.0.0.3", "10.0.0.1", "10.0.0.2"]


async def test_addresses_have_the_port_to_connect_to() -> None:
    """With what else getaddrinfo said of them."""
    names = Names("::1")
    assert await names.addresses.in_order(8443) == [(*info("::1")[:4], ("::1", 8443, 0, 0))]


async def test_an_address_that_was_put_aside_comes_last_for_a_while() -> None:
    """Where all are, none is before the others."""
    names = Names("10.0.0.1", "10.0.0.2")
    await names.order()
    names.addresses.put_aside(info("10.0.0.1"))
    assert {tuple(await names.order()) for _ in range(4)} == {("10.0.0.2", "10.0.0.1")}
    names.addresses.put_aside(info("10.0.0.2"))
    assert len({tuple(await names.order()) for _ in range(4)}) == 2
    names.now += ASIDE
    assert len({tuple(await names.order()) for _ in range(4)}) == 2


async def test_nobody_waits_for_a_lookup_but_the_first() -> None:
    """Those that come before the first answer share one lookup. Later answers are used once they
    are there."""
    names = Names("10.0.0.1")
    names.may_answer.clear()
    first = [asyncio.ensure_future(names.order()) for _ in range(3)]
    await names.pass_time(0)
    names.may_answer.set()
    assert await asyncio.gather(*first) == [["10.0.0.1"]] * 3
    assert names.lookups == 1
    await names.pass_time(MAX_AGE - 1)
    assert names.lookups == 1
    names.may_answer.clear()
    names.ips = ["10.0.0.2"]
    await names.pass_time(1)
    assert (names.lookups, await names.order()) == (2, ["10.0.0.1"])
    names.may_answer.set()
    await names.pass_time(0)
    assert (names.lookups, await names.order()) == (2, ["10.0.0.2"])


async def test_a_change_is_told_once() -> None:
    """Another order of the same addresses is none."""
    names = Names("10.0.0.1", "10.0.0.2")
    for ips in (names.ips, ["10.0.0.2", "10.0.0.1"], ["10.0.0.2", "10.0.0.3"], ["10.0.0.2"]):
        names.ips = ips
        await names.pass_time(MAX_AGE)
    assert names.changes == [{"10.0.0.2", "10.0.0.3"}, {"10.0.0.2"}]


async def test_the_last_answer_counts_while_lookups_fail() -> None:
    """Each failure is reported, and the success after it."""
    names = Names("10.0.0.1")
    await names.order()
    names.ips = []
    await names.pass_time(MAX_AGE)
    await names.pass_time(MAX_AGE)
    assert await names.order() == ["10.0.0.1"]
    names.ips = ["10.0.0.2"]
    await names.pass_time(MAX_AGE)
    assert await names.order() == ["10.0.0.2"]
    assert names.reports == [None, "try again", "try again", None]


async def test_without_any_answer_each_attempt_looks_up_again() -> None:
    """It fails with the cause, which whoever tries to connect reports."""
    names = Names()
    for _ in range(2):
        with pytest.raises(OSError, match="try again"):
            await names.order()
    names.ips = ["10.0.0.1"]
    assert await names.order() == ["10.0.0.1"]
    assert (names.lookups, names.reports) == (3, [None])


async def test_a_host_of_which_no_address_answers_is_looked_up_at_the_next_tick() -> None:
    """It may have moved."""
    names = Names("10.0.0.1")
    await names.order()
    await names.pass_time(1)
    assert names.lookups == 1
    names.addresses.doubt()
    await names.pass_time(0)
    assert names.lookups == 2


async def test_the_system_looks_up_names_and_addresses() -> None:
    """As /etc/hosts and the name servers have them."""
    for host in ("localhost", "127.0.0.1"):
        found = await Addresses(host, print).in_order(80)
        assert ("127.0.0.1", 80) in [each[4] for each in found]
    for host in ("nobody.invalid", "a" * 64 + ".invalid"):
        with pytest.raises(OSError, match=r"\w"):
            await Addresses(host, print).in_order(80)


async def test_a_lookup_ends_with_the_pool() -> None:
    """Whoever waits for it is cancelled too."""
    names = Names("10.0.0.1")
    names.may_answer.clear()
    waiting = asyncio.ensure_future(names.order())
    await asyncio.sleep(0)
    names.addresses.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_an_address_is_known_by_its_text_and_any_before_the_first_lookup() -> None:
    """So that a connection that was being opened during a lookup can be told from the others."""
    names = Names("10.0.0.1", "::1")
    assert names.addresses.has("10.9.9.9")
    await names.order()
    assert names.addresses.has("10.0.0.1")
    assert names.addresses.has("::1")
    assert not names.addresses.has("10.9.9.9")
