"""What a store says of itself, and whether this program may use it.

Tested in `tests/proxy/store/test_upgrade.py` and `tests/proxy/store/postgres/test_schema.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from proxy.store.protocols import StoreError


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node of a shared store, as it last told."""

    name: str
    version: str | None
    """Of the program that it runs."""
    schema: int | None
    """The newest schema that this program knows."""
    left: bool
    """Whether it has ended, and said so."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """What a store says of itself, whichever its schema. A field that this has not is None."""

    store: str
    schema: int
    known: int
    """The newest schema that this program knows."""
    min_schema: int | None
    """Programs that only know older ones may not use it."""
    store_id: str | None
    revision: int
    moved_to: str | None
    nodes: Sequence[NodeState] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        """As an object of JSON."""
        return asdict(self)

    def as_text(self) -> str:
        """For people to read."""
        lines = [
            f"store       {self.store}",
            f"id          {self.store_id or '-'}",
            f"schema      {self.schema}, this program knows {self.known}",
            f"needed      {self.min_schema or self.schema} at least",
            f"revision    {self.revision}",
            f"moved to    {self.moved_to or '-'}",
        ]
        for node in self.nodes:
            what = f"version {node.version or '?'}, schema {node.schema or '?'}"
            lines.append(f"node        {node.name}: {what}{', has left' if node.left else ''}")
        return "\n".join(lines)


def require_usable(store: str, known: int, state: Mapping[str, Any]) -> None:
    """Raises `StoreError` where a program that knows the schemas up to `known` may not use the
    store. `state`: the columns that its table `meta` has in its schema, and `schema`."""
    schema = state["schema"]
    if schema < known:
        raise StoreError(
            f"store {store} has schema {schema}, this program needs {known}: "
            "run `wardgate store migrate --config FILE` first"
        )
    if state.get("min_schema", 0) > known:
        raise StoreError(
            f"store {store} has schema {schema}, this program knows up to {known}: "
            "use the version of Wardgate that wrote it, or a later one"
        )
    if state.get("moved_to") is not None:
        raise StoreError(
            f"store {store} has moved to {state['moved_to']}; `wardgate store reopen` takes that "
            "back"
        )
