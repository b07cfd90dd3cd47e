"""What all types of resource share: how a request is handed to them, and what they may offer.

(Tested by the tests of each type, and for what a type does not offer by
tests/admin/api/test_middleware.py.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from admin.api.representations import Json, Links
from admin.api.schemas import Schema
from admin.service import Caller, Listing, View
from admin.service.errors import Refused
from proxy.domain.model import Action
from proxy.store.query import Query

R = TypeVar("R")


class RequestContext(NamedTuple):
    """What every request has, whatever it is about."""

    caller: Caller
    links: Links
    """What the links in its answer begin with."""
    scope: int | None
    """The id of the environment in its path, if there is one. The caller may see it."""


CustomAction: TypeAlias = Callable[[RequestContext, Any, Mapping[str, object]], Awaitable[Json]]
"""Takes the context, the resource's id and the body, and returns the answer as JSON."""


class Resource(ABC, Generic[R]):
    """One type of resource. What a type does not offer is refused.

    An id is a number, of a setting its name. `values` are a body's, as `values.settable_values`
    returns them. Everything here raises `Refused`, and what the services raise.
    """

    schema: Schema
    custom_actions: Mapping[str, CustomAction] = {}
    """Actions that do more than change a state, by name."""

    async def list(self, context: RequestContext, query: Query) -> Listing[R]:
        raise Refused("NotFound")

    async def get(self, context: RequestContext, resource_id: Any) -> View[R]:
        raise Refused("NotFound")

    async def create(self, context: RequestContext, values: dict[str, Any]) -> Json:
        raise Refused("MethodNotAllowed")

    async def import_(self, context: RequestContext, values: dict[str, Any]) -> Json:
        raise Refused("InvalidAction", field="action")

    async def edit(
        self, context: RequestContext, resource_id: Any, values: dict[str, Any]
    ) -> View[R]:
        raise Refused("MethodNotAllowed")

    async def apply(self, context: RequestContext, resource_id: Any, action: Action) -> View[R]:
        raise Refused("InvalidAction", field="action")

    @abstractmethod
    def show(self, view: View[R], links: Links) -> Json:
        """The resource as JSON."""


def required(values: Mapping[str, Any], name: str) -> Any:
    """A value that must be there. Raises `Refused`."""
    if name not in values:
        raise Refused("MissingRequired", f"{name} is required", field=name)
    return values[name]
