"""Nodes as processes in front of the sample API, each with a way of its own to one PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from benchmarks.machine import family
from tests.chaos.wire import Wire, wire
from tests.installation import CONFIG, Installation
from tests.patience import PATIENCE
from tests.programs import WARDGATE, free_port, running, sample_api
from tests.support.credentials import Credentials
from tests.support.postgres import Server, server
from tests.support.processes import listens

PATH: Final = "/v1/projects/demo/hosts"
BEAT: Final = 0.5
PATIENT: Final = ClientTimeout(total=15)

Answer = tuple[int, Mapping[str, str], Any]
"""(status, fields, JSON); the status is 0 where no answer came."""


class Gate:
    """A node."""

    def __init__(self, name: str, folder: Path, line: Wire) -> None:
        self.name = name
        self.folder = folder
        self.wire = line
        self.gateway, self.api = free_port(), free_port()
        self.environment: dict[str, str] = {}
        """What its environment has besides that of the test, from the next start on."""
        self.process: asyncio.subprocess.Process | None = None
        self.restarts = 0
        """How often it has ended by itself, as one does that cannot use the store at its start."""
        self._supervisor: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it; it may not serve yet. It is started again whenever it ends by itself, after a
        second, as systemd does it."""
        await self._start()
        self._supervisor = asyncio.create_task(self._supervise())

    async def _start(self) -> None:
        with (self.folder / f"{self.name}.err").open("ab") as err:
            command = [*WARDGATE, "serve", "-c", f"{self.name}.yaml"]
            self.process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self.folder,
                stdout=err,
                stderr=err,
                env=os.environ | self.environment,
            )

    async def _supervise(self) -> None:
        while self.process is not None:
            await self.process.wait()
            self.restarts += 1
            await asyncio.sleep(1)
            await self._start()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs; one that cannot be handled goes to all its processes."""
        if self.process is None or self.process.returncode is not None:
            return
        all_ = number in {signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL}
        for each in family(self.process.pid) if all_ else [self.process.pid]:
            with suppress(ProcessLookupError):
                os.kill(each, number)

    async def children(self) -> tuple[int, list[int]]:
        """(the keeper, the workers), once they run; only where it has workers."""
        end = time.monotonic() + PATIENCE
        while True:
            assert self.process is not None
            found = family(self.process.pid)[1:]
            keeper = next((each for each in found if listens(each, self.api)), None)
            if keeper is not None and len(found) > 1:
                return keeper, [each for each in found if each != keeper]
            assert time.monotonic() < end, f"{self.name} has no keeper"
            await asyncio.sleep(0.05)

    async def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Have it end."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        self.send(signal.SIGCONT)
        self.send(how)
        if self.process is not None:
            try:
                await asyncio.wait_for(self.process.wait(), PATIENCE)
            except TimeoutError:
                self.send(signal.SIGKILL)
                await self.process.wait()


@dataclass
class Site:
    """All of it."""

    postgres: Server
    database: str
    gates: list[Gate]
    admin: Credentials
    session: ClientSession

    def sql(self, statement: str) -> str:
        """What `psql` prints for a statement on the store."""
        return self.postgres.sql(f"SET search_path = wardgate; {statement}", self.database)

    async def ask(self, gate: Gate, credentials: Credentials) -> int:
        """The status of a request at the gateway; 0 where no answer came."""
        url = f"http://127.0.0.1:{gate.gateway}{PATH}"
        return (await self._send("GET", url, credentials, {}, None))[0]

    async def call(
        self, gate: Gate, method: str, path: str, body: Any = None, name: str = ""
    ) -> Answer:
        """The answer of the admin API; `name` is the request's id."""
        url = f"http://127.0.0.1:{gate.api}/v1{path}"
        fields = {"X-Request-Id": name} if name else {}
        return await self._send(method, url, self.admin, fields, body)

    async def new_key(self) -> tuple[str, Credentials]:
        """(the id, the credentials) of a key for the environment that the nodes serve."""
        gate = self.gates[0]
        _, _, found = await self.call(gate, "GET", "/projects?slug=demo")
        if not found["data"]:
            await self.call(gate, "POST", "/projects", {"name": "demo", "slug": "demo"})
            _, _, found = await self.call(gate, "GET", "/projects?slug=demo")
        path = f"/projects/{found['data'][0]['id']}/apikeys"
        _, _, key = await self.call(gate, "POST", path, {"name": "k"})
        return key["id"], Credentials.of(key)

    async def deactivate(self, gate: Gate, number: str) -> int:
        """The status of the answer, where a key is deactivated at a node."""
        return (await self.call(gate, "POST", f"/apikeys/{number}?action=deactivate"))[0]

    async def _send(
        self, method: str, url: str, by: Credentials, fields: Mapping[str, str], body: Any
    ) -> Answer:
        headers = {"Authorization": by.authorization, **fields}
        try:
            async with self.session.request(method, url, headers=headers, json=body) as answer:
                return answer.status, answer.headers, json.loads(await answer.read() or b"null")
        except (ClientError, OSError, TimeoutError, ValueError):
            return 0, {}, None

    async def serves(self, gate: Gate) -> None:
        """Wait until a node permits requests; there may be no environment yet."""
        end = time.monotonic() + PATIENCE
        while await self.ask(gate, self.admin) not in {200, 404}:
            assert time.monotonic() < end, f"{gate.name} does not come back"
            await asyncio.sleep(0.05)


@asynccontextmanager
async def site(
    folder: Path, nodes: int, lease: float, given: Server | None = None, *, workers: int = 1
) -> AsyncIterator[Site]:
    """A site of so many nodes that serve, over a server of its own unless one is given."""
    async with AsyncExitStack() as open_:
        postgres = given or open_.enter_context(server())
        upstream = free_port()
        open_.enter_context(running(sample_api(upstream), upstream, folder))
        url = postgres.new_url()
        here = Installation(folder, upstream, store=url)
        target = socket_of(postgres)
        names = [f"n{number}" for number in range(1, nodes + 1)]
        lines = [await open_.enter_async_context(wire(target)) for _ in names]
        gates = [Gate(name, folder, line) for name, line in zip(names, lines, strict=True)]
        config = json.loads((folder / CONFIG).read_text())
        database = url.removeprefix("postgresql://postgres@/").partition("?")[0]
        session = await open_.enter_async_context(ClientSession(timeout=PATIENT))
        made = Site(postgres, database, gates, here.admin, session)
        for gate in gates:
            own = {"name": gate.name, "lease": lease, "beat": BEAT}
            own["run_directory"] = f"run-{gate.name}"
            config |= {
                "listen": f"127.0.0.1:{gate.gateway}",
                "admin": {"listen": f"127.0.0.1:{gate.api}"},
                "store": f"postgresql://postgres@127.0.0.1:{gate.wire.port}/{database}",
                "access_log": f"{gate.name}.log",
                "cluster": own,
                "workers": workers,
            }
            (folder / f"{gate.name}.yaml").write_text(json.dumps(config))
            open_.push_async_callback(gate.end)
            await gate.start()
        for gate in gates:
            await made.serves(gate)
        yield made
        for gate in gates:  # what is held back would keep them from ending
            gate.wire.mend()


def socket_of(postgres: Server) -> Path:
    """Where a server listens."""
    return postgres.folder / ".s.PGSQL.5432"


async def eventually(asked: Callable[[], Awaitable[int]], wanted: int, *while_: int) -> None:
    """Ask until there is another answer than `while_`, which has to be `wanted`."""
    end = time.monotonic() + PATIENCE
    while (answer := await asked()) in while_ and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    assert answer == wanted
