"""The settings of several targets."""

from __future__ import annotations

import pytest

from proxy.config.targets import Retries
from tests.proxy.config.conftest import Complaints, Read

HEAD = "listen: 127.0.0.1:8080\nupstreams:\n  default:\n"
TWO = HEAD + "    targets: [http://a:1, http://b:2]\n"


def test_a_target_is_an_url_or_settings(read: Read) -> None:
    """An upstream at one url has one target with the same settings."""
    config = read(
        HEAD + "    targets: [http://a, {url: 'http://b', weight: 3, priority: 1,"
        " max_connections: 5}]\n"
    )
    a, b = config.upstreams["default"].servers
    assert (str(a.url), a.weight, a.priority, a.max_connections) == ("http://a", 1, 0, None)
    assert (str(b.url), b.weight, b.priority, b.max_connections) == ("http://b", 3, 1, 5)
    (one,) = read(HEAD + "    url: http://a\n").upstreams["default"].servers
    assert one == a


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEAD + "    queue: 1\n", "url: is required, or targets in its place"),
        (HEAD + "    targets: []\n", "targets: should hold at least one"),
        (TWO + "    url: http://c\n", "url: is short for targets with one url: use only one"),
        (HEAD + "    targets: [http://a, http://a:80/]\n", "targets: should not list one url tw"),
        (HEAD + "    targets: [http://a, https://b]\n", "targets: should all be https://, or no"),
        (HEAD + "    targets: [a]\n", "targets[0].url: should be http://host[:port]"),
        (HEAD + "    targets: [{url: 'http://a', wight: 1}]\n", "unknown setting; did you mean we"),
        (HEAD + "    targets: [{url: 'http://a', weight: 0}]\n", "targets[0].weight: should be gr"),
        (HEAD + "    url: http://a\n    balance: hash\n", "balance: needs targets or resolve"),
        (
            HEAD + "    url: http://a\n    retries: {attempts: 1}\n",
            "retries: needs targets or resolve",
        ),
        (TWO + "    retries: {methods: [POST]}\n", "retries.methods[0]: may act twice if it is s"),
        (TWO + "    retries: {budget: 20}\n", "retries.budget: should be less than or equal to 1"),
        (TWO + "    ejection: {time: 400}\n", "ejection.max_time: should be at least time"),
        (TWO + "    ejection: {statuses: [404]}\n", "ejection.statuses[0]: should be greater"),
        (TWO + "    breaker: {time: 400}\n", "breaker.max_time: should be at least time"),
        (TWO + "    checks: {interval: 5}\n", "checks.path: is required"),
        (TWO + "    checks: {path: x}\n", "checks.path: should be a path such as /healthz"),
        (TWO + "    checks: {path: '/a b'}\n", "checks.path: should be a path such as /healthz"),
        (TWO + "    checks: {path: /, retries: 1}\n", "checks.retries: unknown setting"),
        (TWO + "    balance: random\n", "balance: should be 'least_requests'"),
    ],
)
def test_what_is_wrong_is_named(complaints: Complaints, text: str, problem: str) -> None:
    """With what to do."""
    (found,) = complaints(text)
    assert f"upstreams.default.{problem}" in found or problem in found


def test_checks_and_a_breaker_work_for_one_url_too(read: Read) -> None:
    """They are off by default."""
    upstream = read(HEAD + "    url: http://a\n").upstreams["default"]
    assert (upstream.checks, upstream.breaker) == (None, None)
    upstream = read(
        HEAD + "    url: http://a\n    checks: {path: /healthz}\n    breaker: {}\n"
    ).upstreams["default"]
    assert upstream.checks
    assert upstream.breaker


def test_idempotent_methods_may_be_sent_again(read: Read) -> None:
    """Whoever asks for it; by default only those that read."""
    text = TWO + "    retries: {methods: [get, PUT, DELETE]}\n    ejection: null\n"
    upstream = read(text).upstreams["default"]
    assert upstream.retries.methods == ["GET", "PUT", "DELETE"]
    assert upstream.ejection is None
    assert Retries().methods == ["GET", "HEAD", "OPTIONS"]
