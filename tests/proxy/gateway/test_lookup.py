"""Lookups at a real DNS server: what is found, and why nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import pytest

from proxy.gateway.lookup import look_up
from proxy.gateway.question import Asking, Question
from proxy.targets.discovery import Answer, Endpoint, LookupFailed
from tests.dns_server import DnsServer

ANY = (ip_network("0.0.0.0/0"), ip_network("::/0"))
QUESTION = Question("api.internal", 8080, None, "ipv4", ANY)
SRV = QUESTION._replace(srv="_http._tcp.api.internal")


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    """A DNS server that knows no names yet."""
    made = DnsServer(ttl=7)
    await made.start()
    yield made
    made.stop()


async def ask(server: DnsServer, question: Question = QUESTION, limit: float = 30) -> Answer:
    """Look up, as the gateway does in a thread."""
    asking = Asking((("127.0.0.1", server.port),), limit)
    return await asyncio.to_thread(look_up, question, asking)


async def why(server: DnsServer, question: Question = QUESTION, limit: float = 30) -> str:
    """Why a lookup fails."""
    with pytest.raises(LookupFailed) as caught:
        await ask(server, question, limit)
    return str(caught.value)


async def test_each_address_is_a_server_at_the_port_of_the_url(server: DnsServer) -> None:
    """With the TTL of the records."""
    server.set("api.internal", "A", "10.0.0.1", "10.0.0.2")
    found = await ask(server)
    assert set(found.endpoints) == {Endpoint("10.0.0.1", 8080), Endpoint("10.0.0.2", 8080)}
    assert found.ttl == 7
    assert server.asked == [("api.internal", "A")]


async def test_the_family_says_which_addresses_are_looked_up(server: DnsServer) -> None:
    """With `both`, a name may have either."""
    server.set("api.internal", "AAAA", "fd00::1")
    for family in ("ipv6", "both"):
        found = await ask(server, QUESTION._replace(family=family))
        assert [each.host for each in found.endpoints] == ["fd00::1"]
    assert await why(server) == "api.internal has no A records"
    server.set("api.internal", "A", "10.0.0.1")
    found = await ask(server, QUESTION._replace(family="both"))
    assert {each.host for each in found.endpoints} == {"10.0.0.1", "fd00::1"}


async def test_an_alias_is_followed(server: DnsServer) -> None:
    """To the addresses of another name."""
    server.set("api.internal", "CNAME", "other.internal.")
    server.set("other.internal", "A", "10.0.0.1")
    assert [each.host for each in (await ask(server)).endpoints] == ["10.0.0.1"]


async def test_srv_records_have_hosts_ports_weights_and_priorities(server: DnsServer) -> None:
    """The hosts are looked up where their addresses do not come along."""
    server.set(str(SRV.srv), "SRV", "1 5 9001 a.internal.", "1 0 9002 b.internal.")
    server.set("a.internal", "A", "10.0.0.1", "10.0.0.2")
    server.set("b.internal", "A", "10.0.0.3")
    found = await ask(server, SRV)
    assert set(found.endpoints) == {
        Endpoint("10.0.0.1", 9001, 5, 1),
        Endpoint("10.0.0.2", 9001, 5, 1),
        Endpoint("10.0.0.3", 9002, 1, 1),
    }
    assert [name for name, _ in server.asked] == [str(SRV.srv), "a.internal", "b.internal"]


async def test_addresses_that_come_along_are_not_looked_up(server: DnsServer) -> None:
    """Those of other names are ignored."""
    server.set(str(SRV.srv), "SRV", "0 1 9001 a.internal.")
    server.along = {("a.internal", "A"): ["10.0.0.1"], ("b.internal", "A"): ["10.0.0.9"]}
    assert (await ask(server, SRV)).endpoints == [Endpoint("10.0.0.1", 9001, 1, 0)]
    assert len(server.asked) == 1


async def test_a_host_that_does_not_exist_is_left_out(server: DnsServer) -> None:
    """As long as another one does."""
    server.set(str(SRV.srv), "SRV", "0 1 9001 a.internal.", "0 1 9002 gone.internal.")
    server.set("a.internal", "A", "10.0.0.1")
    assert (await ask(server, SRV)).endpoints == [Endpoint("10.0.0.1", 9001, 1, 0)]
    server.set("a.internal", "A")
    assert "the hosts that _http._tcp.api.internal names have no add" in await why(server, SRV)


async def test_a_service_that_is_not_offered_has_no_servers(server: DnsServer) -> None:
    """The DNS says so by a root for the host (RFC 2782)."""
    server.set(str(SRV.srv), "SRV", "0 0 0 .")
    assert "says that the service is not offered" in await why(server, SRV)
    server.set(str(SRV.srv), "SRV")
    server.set(str(SRV.srv), "TXT", "x")
    assert await why(server, SRV) == "_http._tcp.api.internal has no SRV records"


async def test_a_truncated_answer_is_asked_for_over_tcp(server: DnsServer) -> None:
    """There it may have thousands of records. Only so many are used, always the same."""
    server.truncates = True
    server.set("api.internal", "A", *(f"10.0.{each >> 8}.{each & 255}" for each in range(3000)))
    found = await ask(server)
    assert [each.host for each in found.endpoints] == [f"10.0.0.{each}" for each in range(256)]
    assert found.left_out == 3000 - 256
    assert server.over_tcp == 1


async def test_of_too_many_srv_records_the_best_are_used(server: DnsServer) -> None:
    """And no more hosts are looked up than that."""
    server.set(
        str(SRV.srv), "SRV", *(f"{each} 1 9001 {each}.internal." for each in reversed(range(400)))
    )
    server.truncates = True
    for each in range(400):
        server.set(f"{each}.internal", "A", f"10.0.{each >> 8}.{each & 255}")
    server.along = {(f"{each}.internal", "A"): [f"10.0.0.{each}"] for each in range(250)}
    found = await ask(server, SRV)
    assert [each.priority for each in found.endpoints] == list(range(256))
    assert found.left_out == 400 - 256
    assert len(server.asked) == 1 + 1 + 2 * 6


async def test_an_answer_with_another_id_or_garbage_is_not_taken(server: DnsServer) -> None:
    """The one that comes after it is."""
    server.set("api.internal", "A", "10.0.0.1")
    other = DnsServer(records={("api.internal", "A"): ["10.6.6.6"]})

    def first_another(wire: bytes) -> list[bytes]:
        number = int.from_bytes(wire[:2]) ^ 1
        forged = other.answer(query_of(wire)).to_wire()
        return [number.to_bytes(2) + forged[2:], b"", b"\0", wire[:12], b"\xff" * 600, wire]

    server.spoil = first_another
    assert [each.host for each in (await ask(server)).endpoints] == ["10.0.0.1"]


def query_of(wire: bytes) -> bytes:
    """A query for the name that most tests ask for, with the id of an answer."""
    query = dns.message.make_query("api.internal", "A")
    return wire[:2] + query.to_wire()[2:]


@pytest.mark.parametrize("question", [QUESTION, SRV])
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"silent": True}, "no answer within 0.3 s"),
        ({"spoil": lambda wire: [wire[:2] + b"\xff" * 40]}, "no answer within 0.3 s"),
        ({"code": dns.rcode.SERVFAIL}, "SERVFAIL"),
        ({"code": dns.rcode.REFUSED}, "REFUSED"),
        ({}, "the name does not exist (NXDOMAIN)"),
    ],
)
async def test_a_lookup_that_fails_says_why(
    server: DnsServer, question: Question, change: dict[str, Any], cause: str
) -> None:
    """In time."""
    for name, value in change.items():
        setattr(server, name, value)
    assert cause in await why(server, question, 0.3 if "0.3" in cause else 30)


async def test_a_server_that_does_not_listen_is_no_answer(server: DnsServer) -> None:
    """Nor is one whose host of an SRV record is not known: nothing says that it is gone."""
    silent = DnsServer(port=1)
    assert await why(silent, limit=0.3)
    server.set(str(SRV.srv), "SRV", "0 1 9001 a.internal.")
    server.set("a.internal", "A", "10.0.0.1")
    answer = server.answer

    def only_the_first(query: bytes) -> Any:
        server.silent = bool(server.asked)
        return answer(query)

    server.answer = only_the_first  # type: ignore[method-assign]
    assert await why(server, SRV, 0.3) == "no answer within 0.3 s"


async def test_addresses_that_are_not_permitted_are_ignored(server: DnsServer) -> None:
    """An answer with no others is a failure."""
    server.set("api.internal", "A", "127.0.0.1", "10.0.0.1")
    question = QUESTION._replace(networks=None)
    assert [each.host for each in (await ask(server, question)).endpoints] == ["10.0.0.1"]
    server.set("api.internal", "A", "127.0.0.1")
    assert "not permitted: 127.0.0.1" in await why(server, question)


@pytest.mark.parametrize("text", ["", "options ndots:2\n", None])
def test_where_the_system_names_no_dns_server_there_is_no_answer(
    tmp_path: Path, text: str | None
) -> None:
    """Nor where the file cannot be read."""
    file = tmp_path / "resolv.conf"
    if text is not None:
        file.write_text(text)
    with pytest.raises(LookupFailed, match="names no DNS server"):
        look_up(QUESTION, Asking(None, 30), str(file))


async def test_a_name_that_the_dns_cannot_have_is_a_failure(server: DnsServer) -> None:
    """And no error of the program."""
    assert await why(server, QUESTION._replace(host="a..b"))
