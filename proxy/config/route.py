"""The settings of a route: which keys a path pattern is open to, and which upstream it leads to.

Tested in `tests/proxy/config/test_model.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    model_validator,
)

from proxy.config import values
from proxy.config.cors import UPSTREAM, Cors, Credentials, own_or_upstream
from proxy.config.header_rules import ResponseHeaders
from proxy.config.prefixes import begins, fixed_segments
from proxy.config.settings import Bytes, Count, Fault, Seconds, Settings
from proxy.domain.gcra import MAX_BURST, Rate
from proxy.domain.methods import ANY, STANDARD
from proxy.domain.patterns import check_pattern

Method: TypeAlias = Annotated[str, PlainValidator(values.method)]


def _rate(text: str) -> str:
    Rate.parse(text)
    return text


class Route(Settings):
    """Who may use the paths that match a pattern, and which upstream gets the request."""

    path: Annotated[str, AfterValidator(check_pattern)]
    access: Literal["environment", "account", "admin", "any", "public"] = "account"
    """If it is not set: `environment` when the path has one, otherwise `account`."""
    methods: (
        Annotated[
            list[Method],
            Field(min_length=1),
            BeforeValidator(lambda given: [ANY] if given == ANY else given),
        ]
        | None
    ) = None
    upstream: Annotated[str | dict[str, int] | None, PlainValidator(values.upstream_choice)] = None
    upgrades: list[Annotated[str, PlainValidator(values.protocol)]] = ["websocket"]
    readonly_upgrades: bool = False
    """What goes through a tunnel is not read, so it may well be more than reading."""
    allow: list[Literal["%2F", "%25", ";", "[", "]", "|", "^", "{", "}", '"']] = []
    """Servers differ in what the first three mean within a path, and RFC 3986 has no place for the
    others, so a path with them is refused."""

    rate: Annotated[str, AfterValidator(_rate)] | None = None
    burst: Annotated[Count, Field(ge=1, le=MAX_BURST)] | None = None
    enforce_limits: bool = True
    ratelimit_fields: bool = False
    """Off by default: they tell what others use of a limit that they share."""
    strip_prefix: Annotated[str, AfterValidator(fixed_segments)] | None = None
    add_prefix: Annotated[str, AfterValidator(fixed_segments)] | None = None
    body_size: Annotated[Bytes, Field(ge=0)] | None = None
    first_byte_timeout: Seconds | None = None
    idle_timeout: Seconds | None = None
    response_headers: ResponseHeaders | None = None
    credentials: Credentials | None = None
    cors: Annotated[Cors | None, BeforeValidator(own_or_upstream)] = None

    @model_validator(mode="before")
    @classmethod
    def _set_default_access(cls, data: Any) -> Any:
        if isinstance(data, dict) and "{environment}" in str(data.get("path")):
            return {"access": "environment"} | data
        return data

    def rules(self) -> Iterator[Fault]:
        scoped = "{environment}" in self.path
        if self.access == "environment" and not scoped:
            yield "access", "environment needs {environment} in the path"
        if scoped and self.access in {"account", "any"}:
            yield (
                "access",
                f"{self.access} would open every environment to keys that may not act in it; "
                "with {environment} in the path use environment, admin or public",
            )
        if self.allow and not self.path.endswith("/**"):
            yield "allow", "needs a path that ends in /**"
        if self.strip_prefix is not None and not begins(self.path, self.strip_prefix):
            yield "strip_prefix", "should be segments with which the path of the route begins"
        elif self.strip_prefix is not None and self.strip_prefix == self.add_prefix:
            yield "add_prefix", "is what strip_prefix takes away: leave both out"
        if self.rate is not None and self.access != "public":
            yield "rate", "is for routes with access public: others go by the limits of keys"
        if self.burst is not None and self.rate is None:
            yield "burst", "needs a rate beside it"
        if self.cors is not None and self.cors is not UPSTREAM:
            mine = set(STANDARD if self.methods is None else self.methods)
            if ANY not in mine and not mine >= set(self.cors.methods or ()) - {"HEAD"}:
                yield "cors", "its methods should be among those of the route"


DEFAULT_ROUTES: Final = [
    Route(path="/v1/projects/{environment}/**", access="environment"),
    Route(path="/v2-beta/projects/{environment}/**", access="environment"),
    Route(path="/**", access="account"),
]
