"""The settings of a route: which upstream, or how much of it goes to which."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.load import validate
from proxy.config.model import Config
from proxy.config.source import ConfigError, Document


def read(**route: Any) -> Config:
    """A configuration with two upstreams and this route."""
    upstreams = {name: {"url": f"http://{name}"} for name in ("stable", "canary")}
    settings: dict[str, Any] = {"listen": "127.0.0.1:1", "upstreams": upstreams}
    settings["routes"] = [{"path": "/**", "upstream": "stable"} | route]
    return validate(Document("wardgate.yaml", settings))


def problem(**route: Any) -> str:
    """The only problem with a route."""
    with pytest.raises(ConfigError) as caught:
        read(**route)
    (found,) = caught.value.problems
    return str(found).removeprefix("wardgate.yaml: routes[0].")


def test_a_route_leads_to_one_upstream_or_is_divided_among_several() -> None:
    """By weights, which need not add up to anything."""
    assert read().routes[0].upstream == "stable"
    weights = {"stable": 95, "canary": 5}
    assert read(upstream=weights).routes[0].upstream == weights
    assert read(upstream={"stable": 1, "canary": 0}).routes[0].upstream


NAMES = "should be the name of an upstream, or names with weights: {stable: 95, canary: 5}"
NUMBER = "a weight is a whole number from 0 to 1000000"
TWO = "should name at least two upstreams, not all with weight 0"


@pytest.mark.parametrize(
    ("upstream", "complaint"),
    [
        (5, NAMES),
        (["stable"], NAMES),
        ({1: 2}, NAMES),
        ({"stable": 95, "canary": "5%"}, NUMBER),
        ({"stable": 95, "canary": 0.5}, NUMBER),
        ({"stable": 95, "canary": -1}, NUMBER),
        ({"stable": 95, "canary": True}, NUMBER),
        ({"stable": 95, "canary": None}, NUMBER),
        ({"stable": 95, "canary": 1_000_001}, NUMBER),
        ({}, TWO),
        ({"stable": 1}, TWO),
        ({"stable": 0, "canary": 0}, TWO),
        ("stale", "no upstream has this name; did you mean stable?"),
        ({"stale": 1, "canary": 1}, "no upstream has the name stale; did you mean stable?"),
    ],
)
def test_other_upstreams_are_refused(upstream: object, complaint: str) -> None:
    """Each with what it should be."""
    assert problem(upstream=upstream) == f"upstream: {complaint}"
