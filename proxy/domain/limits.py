"""Limits of a key, an environment or an account: how much, from where, for what and when. Pure.

The rule that lives here: what a key makes or edits is never wider than the key itself
(`wider_parts`).

Tested in `tests/proxy/domain/test_limits.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import (
    IPv4Network,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)
from typing import Any, Final, TypeAlias, TypeVar

from proxy.domain.gcra import Rate
from proxy.domain.quota import Quota
from proxy.domain.scopes import Scope, cover
from proxy.domain.time_window import TimeWindow

Network: TypeAlias = IPv4Network | IPv6Network

MAX_ENTRIES: Final = 64
"""Of a list of networks or of scopes: each request is compared with all of them."""
_MAPPED: Final = 96
"""The prefix length of IPv6 addresses that stand for IPv4 ones (RFC 4291 section 2.5.5.2)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key is limited to, or all keys of an account or in an environment together. What is
    None or empty does not limit."""

    rate: Rate | None = None
    quota: Quota | None = None
    networks: tuple[Network, ...] = ()
    scopes: tuple[Scope, ...] = ()
    window: TimeWindow | None = None
    enforce: bool = True
    """Where it is False, what the limits would refuse passes, and the access log says so."""
    _any: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = (self.rate, self.quota, self.networks, self.scopes, self.window)
        object.__setattr__(self, "_any", any(parts))

    def __bool__(self) -> bool:
        return self._any

    def admits(self, address: str) -> bool:
        """Whether a client at `address` is in one of the networks."""
        if not self.networks:
            return True
        try:
            client = ip_address(address)
        except ValueError:
            return False  # a Unix socket
        mapped = getattr(client, "ipv4_mapped", None)
        return any((mapped or client) in network for network in self.networks)


NONE: Final = Limits()


def wider_parts(inner: Limits, outer: Limits) -> list[str]:
    """The names of the parts in which `inner` permits more than `outer`."""
    wider = []
    if _wider(inner.rate, outer.rate):
        wider.append("rate")
    if _wider(inner.quota, outer.quota):
        wider.append("quota")
    if outer.networks and not (inner.networks and _within(inner.networks, outer.networks)):
        wider.append("networks")
    if not cover(outer.scopes, inner.scopes):
        wider.append("scopes")
    if _wider(inner.window, outer.window):
        wider.append("window")
    if outer and outer.enforce and not inner.enforce:
        wider.append("enforce")
    return wider


def narrowed(limits: Limits, bound: Limits) -> Limits:
    """The limits with the parts of `bound` in place of those that are wider."""
    parts = {name: getattr(bound, name) for name in wider_parts(limits, bound)}
    return replace(limits, **parts) if parts else limits


def _wider(inner: Any, outer: Any) -> bool:
    return outer is not None and (inner is None or not outer.covers(inner))


def _within(networks: Sequence[Network], others: Sequence[Network]) -> bool:
    """Whether each of `networks` is within one of `others`, or in several that lie side by side."""
    whole = [*_collapsed(others, IPv4Network), *_collapsed(others, IPv6Network)]
    return all(
        any(type(each) is type(other) and each.subnet_of(other) for other in whole)  # type: ignore[arg-type]
        for each in networks
    )


N = TypeVar("N", IPv4Network, IPv6Network)


def _collapsed(networks: Sequence[Network], kind: type[N]) -> Iterator[N]:
    return collapse_addresses(each for each in networks if isinstance(each, kind))


# --- as JSON -------------------------------------------------------------------------------------


class BadLimit(ValueError):
    """A limit that is malformed. `part` names it, as in `limits.rate`."""

    def __init__(self, part: str, text: str) -> None:
        super().__init__(f"{part} {text}")
        self.part = part


def parse_limits(given: Mapping[str, object]) -> Limits:
    """Limits from their JSON form. Raises `BadLimit`."""
    unknown = given.keys() - {*_PARTS, "burst"}
    if unknown:
        raise BadLimit(min(unknown), "is not known")
    parts = {name: _parse(name, value) for name, value in given.items() if name != "burst"}
    burst = given.get("burst")
    if burst is not None:
        if type(burst) is not int or not isinstance(given.get("rate"), str):
            raise BadLimit("burst", "should be a number, beside a rate")
        try:
            parts["rate"] = Rate.parse(str(given["rate"]), burst)
        except ValueError as error:
            raise BadLimit("burst", str(error)) from None
    limits = Limits(**{name: value for name, value in parts.items() if value is not None})
    return limits if limits != NONE else NONE


def limits_json(limits: Limits) -> dict[str, Any]:
    """Limits in their JSON form, without what does not limit."""
    shown: dict[str, Any] = {}
    if limits.rate is not None:
        shown |= {"rate": str(limits.rate), "burst": limits.rate.burst}
    if limits.quota is not None:
        shown["quota"] = str(limits.quota)
    if limits.networks:
        shown["networks"] = [str(each) for each in limits.networks]
    if limits.scopes:
        shown["scopes"] = [str(each) for each in limits.scopes]
    if limits.window is not None:
        shown["window"] = str(limits.window)
    if not limits.enforce:
        shown["enforce"] = False
    return shown


def _parse(name: str, value: object) -> Any:
    if value is None:
        return None
    try:
        return _PARTS[name](value)
    except ValueError as error:
        raise BadLimit(name, str(error)) from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("should be a text")
    return value


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError("should be a list of texts")
    if len(value) > MAX_ENTRIES:
        raise ValueError(f"should have at most {MAX_ENTRIES} entries")
    return value


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(f"should be addresses or networks such as 10.0.0.0/8: {error}") from None
    if "%" in text:
        raise ValueError("should be networks without a zone")
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED:
        first = network.network_address.ipv4_mapped
        if first is not None:  # clients are compared by their IPv4 address
            return IPv4Network((first, network.prefixlen - _MAPPED))
    return network


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("should be true or false")
    return value


_PARTS: Final = {
    "rate": lambda value: Rate.parse(_text(value)),
    "quota": lambda value: Quota.parse(_text(value)),
    "networks": lambda value: tuple(dict.fromkeys(map(_network, _texts(value)))),
    "scopes": lambda value: tuple(dict.fromkeys(map(Scope.parse, _texts(value)))),
    "window": lambda value: TimeWindow.parse(_text(value)),
    "enforce": _flag,
}
