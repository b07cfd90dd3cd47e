"""The settings of forward-auth."""

from __future__ import annotations

import pytest

from tests.proxy.config.conftest import Complaints, Read

BASE = "listen: 127.0.0.1:8080\nupstream: http://127.0.0.1:9000\n"


def test_only_the_machine_itself_may_ask_unless_others_are_named(read: Read) -> None:
    """And the client is in X-Forwarded-For."""
    settings = read(BASE + "forward_auth: {listen: '127.0.0.1:8082', fields: path}\n").forward_auth
    assert settings is not None
    assert [str(each) for each in settings.peers] == ["127.0.0.0/8", "::1/128"]
    assert settings.client == "x-forwarded-for"
    assert read(BASE).forward_auth is None


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ("{listen: '127.0.0.1:8082'}", "forward_auth.fields: is required"),
        ("{fields: path}", "forward_auth.listen: is required"),
        (
            "{listen: '127.0.0.1:8082', fields: x-rewrite}",
            "forward_auth.fields: should be 'x-original', 'x-forwarded' or 'path'",
        ),
        (
            "{listen: '127.0.0.1:8082', fields: path, client: forwarded}",
            "forward_auth.client: should be 'x-forwarded-for' or 'x-real-ip'",
        ),
        (
            "{listen: '127.0.0.1:8082', fields: path, peer: [192.0.2.1]}",
            "forward_auth.peer: unknown setting; did you mean peers?",
        ),
        (
            "{listen: '127.0.0.1:8082', fields: path, peers: []}",
            "forward_auth.peers: should hold at least one",
        ),
        (
            "{listen: '127.0.0.1:8080', fields: path}",
            "forward_auth.listen: another listener has this address",
        ),
        (
            "{listen: {address: '127.0.0.1:8082', proxy_protocol: true}, fields: path}",
            "forward_auth.listen[0]: should be host:port, [IPv6]:port or unix:/path",
        ),
    ],
)
def test_each_mistake_is_named_with_what_to_do(
    complaints: Complaints, settings: str, complaint: str
) -> None:
    """Nothing is guessed."""
    (found,) = complaints(f"{BASE}forward_auth: {settings}\n")
    assert found.partition(": ")[2] == complaint
