"""A DNS server on the loopback interface, whose answers tests change."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Spoil = Callable[[bytes], list[bytes]]
"""What is sent over UDP in place of an answer."""


@dataclass
class DnsServer:
    """Answers over UDP and TCP, at one port."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Name and type → the records' data, as in a zone file. A name without any does not exist."""
    ttl: int = 0
    code: dns.rcode.Rcode = dns.rcode.NOERROR
    """SERVFAIL and others are answered to every query."""
    along: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Records that come along with every answer, in its additional section."""
    truncates: bool = False
    """Whether UDP has no room for an answer."""
    silent: bool = False
    spoil: Spoil | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Name and type of each query."""
    over_tcp: int = 0
    """How many queries came over TCP."""
    port: int = 0
    _udp: asyncio.DatagramTransport | None = None
    _tcp: asyncio.Server | None = None

    @property
    def place(self) -> str:
        """Where it is, as the configuration names it."""
        return f"127.0.0.1:{self.port}"

    def set(self, name: str, kind: str, *data: str) -> None:
        """From now on, a name has these records of a type; none: it does not exist."""
        self.records.pop((name, kind), None)
        if data:
            self.records[name, kind] = list(data)

    async def start(self) -> None:
        """Listen at a port that is free for both protocols."""
        loop = asyncio.get_running_loop()
        while self._udp is None:
            self._tcp = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = self._tcp.sockets[0].getsockname()[1]
            with suppress(OSError):
                self._udp, _ = await loop.create_datagram_endpoint(
                    lambda: _Udp(self), local_addr=("127.0.0.1", self.port)
                )
            if self._udp is None:
                self._tcp.close()

    def stop(self) -> None:
        """Listen no more."""
        assert self._udp is not None
        assert self._tcp is not None
        self._udp.close()
        self._tcp.close()

    def answer(self, query: bytes) -> dns.message.Message:
        """The answer to a query."""
        request = dns.message.from_wire(query)
        response = dns.message.make_response(request)
        response.flags |= dns.flags.RA
        question = request.question[0]
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        name = name.removesuffix(".")
        self.asked.append((name, kind))
        if self.code != dns.rcode.NOERROR:
            response.set_rcode(self.code)
            return response
        for _ in range(8):
            aliases = self.records.get((name, "CNAME"))
            if aliases is None or kind == "CNAME":
                break
            response.answer.append(self._rrset(name, "CNAME", aliases))
            name = aliases[0].removesuffix(".")
        if (name, kind) in self.records:
            response.answer.append(self._rrset(name, kind, self.records[name, kind]))
        elif name not in {known for known, _ in self.records}:
            response.set_rcode(dns.rcode.NXDOMAIN)
        for (other, type_), data in self.along.items():
            response.additional.append(self._rrset(other, type_, data))
        return response

    def _rrset(self, name: str, kind: str, data: list[str]) -> dns.rrset.RRset:
        return dns.rrset.from_text_list(f"{name}.", self.ttl, "IN", kind, data)

    def datagrams(self, query: bytes) -> list[bytes]:
        """What is sent over UDP."""
        response = self.answer(query)
        if self.silent:
            return []
        if self.truncates:
            response.answer.clear()
            response.additional.clear()
            response.flags |= dns.flags.TC
        wire = response.to_wire(max_size=65535)
        return [wire] if self.spoil is None else self.spoil(wire)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            self.over_tcp += 1
            wire = self.answer(await reader.readexactly(length)).to_wire(max_size=65535)
            if not self.silent:
                writer.write(struct.pack("!H", len(wire)) + wire)
                await writer.drain()
        writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            "asyncio.DatagramTransport", transport
        )  # uvloop has a type of its own

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for each in self._server.datagrams(data):
            self._transport.sendto(each, addr)
