"""Who is at work in a run: clients that use secrets all the time, and administrators who change
what these may do. All that they see is written into the history."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any, Final

from tests.chaos.history import Change, History, Outcome, Use
from tests.chaos.site import Gate, Site
from tests.support.credentials import Credentials

KEYS: Final = 8
"""Keys that are changed and used at a time."""
WAIT: Final = 12
"""Seconds for which an administrator waits until a change holds everywhere."""


@dataclass
class Held:
    """A key, as its administrators know it."""

    number: str
    credentials: Credentials
    secrets: int = 1
    """How many it has had."""
    active: bool | None = True
    """None where nobody knows."""
    busy: bool = False
    """Whether an administrator is changing it."""

    @property
    def secret(self) -> str:
        """The name of its secret in the history."""
        return f"{self.number}/{self.secrets}"


@dataclass
class People:
    """All of them."""

    site: Site
    history: History
    random: random.Random
    environment: str
    keys: list[Held] = field(default_factory=list)
    used: dict[str, Credentials] = field(default_factory=dict)
    """All secrets that there ever were; the last ones are used."""
    changes: int = 0
    over: bool = False
    """Whether they end their work, after what they have begun."""

    async def client(self, gate: Gate) -> None:
        """Use secrets at one node until all is over."""
        while not self.over:
            recent = list(self.used)[-2 * KEYS :]
            if recent:
                await self.use(gate, self.random.choice(recent))
            await asyncio.sleep(self.random.uniform(0.005, 0.03))

    async def use(self, gate: Gate, secret: str, *, final: bool = False) -> int:
        """Use one secret. Returns the status."""
        start = time.monotonic()
        status = await self.site.ask(gate, self.used[secret])
        seen = Use(gate.name, secret, start, time.monotonic(), status, final)
        self.history.uses.append(seen)
        return status

    async def administrator(self) -> None:
        """Make changes at random nodes until all is over."""
        while not self.over:
            gate = self.random.choice(self.site.gates)
            free = [key for key in self.keys if not key.busy]
            if len(self.keys) < KEYS or not free:
                await self.create(gate)
            else:
                key = self.random.choice(free)
                key.busy = True
                await self.change(gate, key)
                key.busy = False
            await asyncio.sleep(self.random.uniform(0.05, 0.3))

    async def create(self, gate: Gate) -> None:
        """Make a key. One whose answer was lost cannot be used: nobody knows its secret."""
        path = f"/projects/{self.environment}/apikeys"
        name, start, (outcome, made, _) = await self._ask(gate, path, {"name": "k"})
        if outcome == "done":
            key = Held(made["id"], Credentials.of(made))
            self._note(name, "create", gate, key.secret, start, outcome, permits=True)
            self.keys.append(key)
            self.used[key.secret] = key.credentials

    async def change(self, gate: Gate, key: Held) -> None:
        """Change one key, in one of the ways that there are."""
        usual = ("deactivate", "activate") * 4
        action = self.random.choice((*usual, "rotate" if key.active else "remove"))
        body = {"overlap": "0"} if action == "rotate" else None
        path = f"/apikeys/{key.number}?action={action}"
        name, start, (outcome, made, revision) = await self._ask(gate, path, body)
        everywhere = None
        noted = (name, action, gate, key.secret, start, outcome)
        end = time.monotonic()
        if outcome == "done" and revision and self.random.random() < 0.5:
            everywhere = await self._everywhere(gate, revision)
        self._note(*noted, permits=action == "activate", end=end, everywhere=everywhere)
        if action == "rotate" and outcome == "done":
            key.secrets += 1
            key.credentials = Credentials.of(made)
            self._note(name, action, gate, key.secret, start, outcome, permits=True, end=end)
            self.used[key.secret] = key.credentials
        if outcome == "done":
            key.active = action in {"activate", "rotate"}
        elif outcome == "unknown":
            key.active = None
        gone = action == "remove" or (action == "rotate" and outcome == "unknown")
        if gone and outcome != "refused":
            self.keys.remove(key)

    async def end(self) -> None:
        """Use every secret at every node, once they have recovered."""
        for gate in self.site.gates:
            for secret in self.used:
                while await self.use(gate, secret, final=True) not in {200, 401}:
                    await self.site.serves(gate)

    async def _ask(
        self, gate: Gate, path: str, body: Any
    ) -> tuple[str, float, tuple[Outcome, Any, str | None]]:
        """(the request's id, when it began, (outcome, resource, revision))."""
        self.changes += 1
        name = f"change-{self.changes}"
        start = time.monotonic()
        status, fields, made = await self.site.call(gate, "POST", path, body, name)
        outcome: Outcome = "unknown"
        if 200 <= status < 300:
            outcome = "done"
        elif 400 <= status < 500:
            outcome = "refused"
        return name, start, (outcome, made, fields.get("Wardgate-Revision"))

    async def _everywhere(self, gate: Gate, revision: str) -> float | None:
        """Wait until a revision holds on all nodes; when the answer said so."""
        status, _, told = await self.site.call(gate, "GET", f"/revisions/{revision}?wait={WAIT}")
        return time.monotonic() if status == 200 and told["state"] == "everywhere" else None

    def _note(
        self,
        name: str,
        action: str,
        gate: Gate,
        secret: str,
        start: float,
        outcome: Outcome,
        *,
        permits: bool,
        end: float | None = None,
        everywhere: float | None = None,
    ) -> None:
        ended = time.monotonic() if end is None else end
        self.history.changes.append(
            Change(name, action, gate.name, secret, permits, start, ended, outcome, everywhere)
        )
