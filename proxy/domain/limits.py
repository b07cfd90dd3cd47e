"""Limits of a key, an environment or an account: how much, from where, for what and when. Pure.

The rule that lives here: what a key makes or edits is never wider than the key itself
(`wider_parts`).

Tested in `tests/proxy/domain/test_limits.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, TypeAlias

from proxy.domain.gcra import Rate
from proxy.domain.scopes import Scope, cover
from proxy.domain.time_window import TimeWindow

Network: TypeAlias = IPv4Network | IPv6Network

MAX_ENTRIES: Final = 64
"""Of a list of networks or of scopes: each request is compared with all of them."""
_QUOTA: Final = re.compile(r"([1-9][0-9]{0,14})/(day|month)").fullmatch


class Period(StrEnum):
    """A period of UTC's calendar, after which a quota begins anew."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Quota:
    """So many requests in each day or month."""

    count: int
    period: Period

    @classmethod
    def parse(cls, text: str) -> Quota:
        """`10000/day` or `1000000/month`. Raises ValueError."""
        match = _QUOTA(text)
        if match is None:
            raise ValueError("should be a quota such as 10000/day or 1000000/month")
        return cls(int(match[1]), Period(match[2]))

    def __str__(self) -> str:
        return f"{self.count}/{self.period}"

    def covers(self, other: Quota) -> bool:
        """Whether `other` never lets through what this quota refuses. A day's quota bounds a month
        of 31 days, and a month's bounds each of its days."""
        of_days = self.period is Period.MONTH and other.period is Period.DAY
        return other.count * (31 if of_days else 1) <= self.count


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key is limited to. What is None or empty does not limit."""

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
    if outer.networks and not (
        inner.networks and all(_within(each, outer.networks) for each in inner.networks)
    ):
        wider.append("networks")
    if not cover(outer.scopes, inner.scopes):
        wider.append("scopes")
    if _wider(inner.window, outer.window):
        wider.append("window")
    if outer and outer.enforce and not inner.enforce:
        wider.append("enforce")
    return wider


def _wider(inner: Any, outer: Any) -> bool:
    return outer is not None and (inner is None or not outer.covers(inner))


def _within(network: Network, others: Sequence[Network]) -> bool:
    return any(
        isinstance(other, type(network)) and network.subnet_of(other)  # type: ignore[arg-type]
        for other in others
    )


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
    return Limits(**{name: value for name, value in parts.items() if value is not None})


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
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"should be addresses or networks such as 10.0.0.0/8: {error}") from None


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
