"""Reading a configuration: overrides, all problems at once, and rules across groups."""

from __future__ import annotations

import pytest

from proxy.config.values import Listen
from tests.proxy.config.conftest import Complaints, Read

SMALLEST = """\
listen: 127.0.0.1:8080
upstream: http://127.0.0.1:9000
store: sqlite:///var/wardgate.db        # relative to the working directory; four slashes: absolute
admin:
  listen: 127.0.0.1:8081
"""
BASE = "listen: 127.0.0.1:8080\nupstream: http://127.0.0.1:9000\n"
SEVERAL = """\
listen: 127.0.0.1:8080
upstreams:
  main: {url: "http://127.0.0.1:9000"}
  other: {url: "https://other.internal"}
"""


def test_the_smallest_configuration_is_accepted(read: Read) -> None:
    """As the README shows it."""
    config = read(SMALLEST)
    assert config.listen == [Listen("127.0.0.1", 8080)]
    assert config.upstreams["default"].servers[0].url.authority == "127.0.0.1:9000"
    assert config.store == "sqlite:///var/wardgate.db"
    assert config.admin is not None
    assert config.admin.listen == [Listen("127.0.0.1", 8081)]


def test_a_route_may_leave_its_upstream_to_the_one_named_default(read: Read) -> None:
    """Even if there are several upstreams."""
    config = read(SEVERAL.replace("main", "default") + 'routes: [{path: "/**"}]\n')
    assert config.routes[0].upstream is None


def test_routes_of_one_path_may_differ_by_method(read: Read) -> None:
    """Registered methods may be written in lower case; of others the case counts."""
    config = read(
        BASE
        + """\
routes:
  - {path: "/v1/{environment}/**", methods: [get, propfind, Own]}
  - {path: "/**"}
  - {path: "/v1/{environment}/**", methods: [POST], access: admin}
"""
    )
    assert config.routes[0].methods == ["GET", "PROPFIND", "Own"]


def test_an_environment_variable_overrides_the_file(read: Read) -> None:
    """`__` separates groups, and the value is YAML."""
    config = read(
        BASE + "limits: {head_timeout: 9, fields: 50}\n",
        {
            "WARDGATE__LISTEN": "[127.0.0.1:1, 127.0.0.1:2]",
            "WARDGATE__LIMITS__HEAD_TIMEOUT": "5",
            "WARDGATE__ADMIN__LISTEN": "127.0.0.1:3",
            "WARDGATE__ACCESS_CONTROL": "off",
        },
    )
    assert list(map(str, config.listen)) == ["127.0.0.1:1", "127.0.0.1:2"]
    assert (config.limits.head_timeout, config.limits.fields) == (5, 50)
    assert config.admin is not None
    assert str(config.admin.listen[0]) == "127.0.0.1:3"
    assert not config.access_control


def test_a_variable_with_one_underscore_is_no_setting(read: Read) -> None:
    """It belongs to the command line."""
    assert read(BASE, {"WARDGATE_URL": "x", "WARDGATE": "y"}) == read(BASE)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("LIMIT__FIELDS", "9", "limit: unknown setting; did you mean limits?"),
        ("LIMITS__HEAD_TIME", "9", "limits.head_time: unknown setting; did you mean head_timeout?"),
        ("LISTEN__X", "9", "listen.x: listen holds no settings by name"),
        ("LIMITS__FIELDS", "many", "limits.fields: should be a valid integer"),
        ("LIMITS____FIELDS", "9", "names no setting"),
        ("UPSTREAM", "http://u:hunter2@h", "upstream: should hold no user name or password"),
    ],
)
def test_a_problem_in_a_variable_names_the_variable_and_hides_its_value(
    complaints: Complaints, name: str, value: str, complaint: str
) -> None:
    """The message also names the setting."""
    assert complaints(BASE, {f"WARDGATE__{name}": value}) == [f"WARDGATE__{name}: {complaint}"]


def test_a_variable_that_is_not_yaml_is_refused_by_name(complaints: Complaints) -> None:
    """A hint says to quote an address in brackets."""
    (complaint,) = complaints(BASE, {"WARDGATE__LISTEN": "[::1]:80"})
    assert complaint.startswith("WARDGATE__LISTEN: listen: not YAML")
    assert complaint.endswith("put quotes around an address in brackets")


def test_all_problems_are_reported_at_once_in_the_order_of_their_lines(
    complaints: Complaints,
) -> None:
    """Each with its line."""
    text = """\
listen: 127.0.0.1
listne: 127.0.0.1:8080
upstreams:
  main:
    url: http://127.0.0.1:9000/api
    max_connections: 0
  other: {url: "http://127.0.0.1:9001"}
routes:
  - {path: "no-slash", upstream: main}
  - {path: "/a", upstream: mian}
  - {path: "/b"}
limits:
  fields: 100
  fields: 200
"""
    assert [complaint.partition(": ")[0] for complaint in complaints(text)] == [
        f"wardgate.yaml:{line}" for line in (1, 2, 5, 6, 9, 10, 11, 14)
    ]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ('{path: "/**"}', '{path: "/a"}'),
        ('{path: "/a/**"}', '{path: "/a"}'),
        ('{path: "/A/**"}', '{path: "/a/b"}'),
        ('{path: "/a"}', '{path: "/a", access: public}'),
        ('{path: "/a", methods: [GET]}', '{path: "/a", methods: [HEAD]}'),
        ('{path: "/a", methods: ["*"]}', '{path: "/a", methods: [PURGE]}'),
        ('{path: "/a/**", methods: [GET]}', '{path: "/a/b", methods: [POST]}'),
        ('{path: "/e/{environment}/x"}', '{path: "/e/open/**"}'),
        ('{path: "/e/{environment}/**"}', '{path: "/e/{environment}/x"}'),
    ],
)
def test_a_route_that_no_request_can_reach_is_refused(
    complaints: Complaints, earlier: str, later: str
) -> None:
    """It is not silently ignored."""
    (text,) = complaints(f"{BASE}routes:\n  - {earlier}\n  - {later}\n")
    assert text.startswith("wardgate.yaml:5: routes[1]: is never reached: ")


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ('{path: "/a"}', '{path: "/a/**"}'),
        ('{path: "/e/open/**"}', '{path: "/e/{environment}/**"}'),
        ('{path: "/e/{environment}/x"}', '{path: "/e/{environment}/**"}'),
        ('{path: "/e/{environment}/x"}', '{path: "/e/**"}'),
        ('{path: "/a", methods: [GET]}', '{path: "/a"}'),
        ('{path: "/a"}', '{path: "/a", methods: "*"}'),
        ('{path: "/"}', '{path: "/**"}'),
    ],
)
def test_a_narrower_route_before_a_wider_one_is_accepted(
    read: Read, earlier: str, later: str
) -> None:
    """As are some methods of a path before the others."""
    assert len(read(f"{BASE}routes:\n  - {earlier}\n  - {later}\n").routes) == 2


def test_routes_of_one_path_allow_the_same_characters(complaints: Complaints) -> None:
    """Because the path is checked before the method."""
    text = """\
routes:
  - {path: "/{environment}/**", methods: [GET], allow: ["%2F"]}
  - {path: "/{environment}/**", methods: [POST]}
"""
    assert complaints(BASE + text) == [
        "wardgate.yaml:5: routes[1].allow: should be equal in all routes of one path"
    ]


def test_a_route_names_its_upstream_where_none_is_named_default(complaints: Complaints) -> None:
    """And there are several."""
    expected = "should name its upstream: there are several, and none is named default"
    assert complaints(SEVERAL) == [f"wardgate.yaml:1: routes: {expected}"]
    assert complaints(SEVERAL + 'routes:\n  - {path: "/**"}\n') == [
        f"wardgate.yaml:6: routes[0]: {expected}"
    ]


def test_a_gateway_needs_an_upstream(complaints: Complaints) -> None:
    """The message shows both ways to name one."""
    (complaint,) = complaints("listen: 127.0.0.1:8080\n")
    assert complaint.endswith("upstreams: is required: name one, or write upstream: URL")


TOO_OPEN = "any would open every environment to keys that may not act in it"


def test_every_fault_of_a_route_is_reported(complaints: Complaints) -> None:
    """Those of single settings, those of several settings together, and those across groups; also
    where another setting of the route is invalid."""
    assert complaints(
        BASE
        + """\
routes:
  - {path: "/v1/{environment}/x", access: any, allow: [";"]}
  - {path: "/v2/{environment}/x", access: any, allow: [";"], upgrades: [h2c], upstream: nope}
  - {path: "v3//{e}/*", access: some, methods: [TRACE], upstream: nope, weight: red}
  - {path: "/v4", access: environment, methods: [GET, "a b"]}
"""
    ) == [
        f"wardgate.yaml:4: routes[0].access: {TOO_OPEN}; "
        "with {environment} in the path use environment, admin or public",
        "wardgate.yaml:4: routes[0].allow: needs a path that ends in /**",
        "wardgate.yaml:5: routes[1].upgrades[0]: "
        "would carry requests past the gateway, so it is never tunnelled",
        f"wardgate.yaml:5: routes[1].access: {TOO_OPEN}; "
        "with {environment} in the path use environment, admin or public",
        "wardgate.yaml:5: routes[1].allow: needs a path that ends in /**",
        "wardgate.yaml:5: routes[1].upstream: no upstream has this name",
        "wardgate.yaml:6: routes[2].path: should begin with /; "
        "should have no empty segment, and no slash at its end; "
        "the only placeholder is {environment}, as a whole segment; "
        "** may stand only as the last segment, and * is not a wildcard",
        "wardgate.yaml:6: routes[2].access: "
        "should be 'environment', 'account', 'admin', 'any' or 'public'",
        "wardgate.yaml:6: routes[2].methods[0]: is never forwarded",
        "wardgate.yaml:6: routes[2].weight: unknown setting",
        "wardgate.yaml:6: routes[2].upstream: no upstream has this name",
        "wardgate.yaml:7: routes[3].methods[1]: should be a method, such as GET or PROPFIND, "
        'or "*" for all methods',
        "wardgate.yaml:7: routes[3].access: environment needs {environment} in the path",
    ]


def test_every_fault_of_an_upstream_is_reported(complaints: Complaints) -> None:
    """Those of single settings and those of several settings together."""
    assert complaints(
        """\
listen: 127.0.0.1:8080
upstreams:
  main:
    url: http://h
    ca_file: /dev/null
    server_name: h
    queue: many
    authorization: forward
    authorization_file: /nowhere
"""
    ) == [
        "wardgate.yaml:5: upstreams.main.ca_file: needs an https:// url",
        "wardgate.yaml:6: upstreams.main.server_name: needs an https:// url",
        "wardgate.yaml:7: upstreams.main.queue: should be a valid integer",
        "wardgate.yaml:9: upstreams.main.authorization_file: contradicts authorization: forward; "
        "remove one of them",
    ]
