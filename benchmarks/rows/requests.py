"""Small requests: the CPU time of one, and its latency."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from benchmarks.gateway import gateway, seed
from benchmarks.machine import Meter
from benchmarks.peers import start
from benchmarks.processes import Load, Server, load
from benchmarks.requests import TARGET, head
from benchmarks.row import Figures, Goal, Measure, Round, Row, Stage, Unfit, ratio
from benchmarks.wrk import Mode, wrk
from proxy.domain.limits import parse_limits

COST = {
    "cpu_us": "CPU per request, µs",
    "per_second": "requests per second",
    "p50_us": "p50, µs",
    "p99_us": "p99, µs",
    "server_core": "server's core, % busy",
    "load_core": "load's core, % busy",
}


def by_wrk(servers: Mapping[str, Server], seconds: int, **how: Any) -> dict[str, Measure]:
    """Measure each server under wrk."""
    return {name: functools.partial(wrk, each, seconds, **how) for name, each in servers.items()}


def get_sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    servers = {"gateway": stage.start(gateway(seed(), upstream), locked=True)} | stage.peers(
        {
            "nginx": start.nginx(upstream),
            "forwarder": start.forwarder(upstream),
            "haproxy": start.haproxy(upstream),
            "caddy": start.caddy(upstream),
            "aiohttp": start.textbook(upstream),
            "node": start.node(upstream),
        },
        locked=("caddy", "aiohttp"),
    )
    return by_wrk(servers, stage.seconds)


GET = Row(
    name="get",
    title="GET with a key that is in use, 64 keep-alive clients",
    method="wrk repeats one request with 14 header fields; the answer's body has 258 bytes. The "
    "gateway checks a key. Caddy checks a password, with the help of its cache of verified "
    "passwords, and so does the gateway written with aiohttp (`benchmarks/peers/textbook.py`), "
    "which compares strings. nginx, HAProxy and configurable-http-proxy (`node`) check nothing. "
    "All but `node` write an access log. The forwarder passes bytes on without reading any, so its "
    "cost is that of the event loop and the kernel alone.",
    figures=COST,
    goals=(
        Goal(
            "CPU ≤ 1.2 × that of nginx without authentication",
            1.2,
            ratio("cpu_us", "gateway", "nginx"),
        ),
        Goal("CPU ≤ 0.2 × that of Caddy", 0.2, ratio("cpu_us", "gateway", "caddy")),
        Goal("CPU ≤ 0.12 × that of aiohttp", 0.12, ratio("cpu_us", "gateway", "aiohttp")),
    ),
    sides=get_sides,
)


LIMITS: Mapping[str, Mapping[str, Any]] = {
    "no limits": {},
    "rate": {"rate": "1000000/s"},
    "quota": {"quota": "1000000000/day"},
    "all": {
        "rate": "1000000/s",
        "quota": "1000000000/day",
        "networks": ["127.0.0.0/8"],
        "scopes": ["GET /v1/projects/{environment}/**"],
        "window": "00:00-24:00",
    },
}
"""Side → the limits of its key, and of the environment too. None is ever used up."""


def limited_sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    servers = {
        name: stage.start(gateway(seed(limits=parse_limits(limits)), upstream), locked=True)
        for name, limits in LIMITS.items()
    }
    return by_wrk(servers, stage.seconds)


LIMITED = Row(
    name="limited",
    title="GET with a key that has limits, 64 keep-alive clients",
    method="As in the row `get`, with a gateway for each side. Its key has no limits, a rate, a "
    "quota, or all limits that there are; its environment has the same, so that each is counted "
    "twice. None is used up. The blocks of a quota are granted by the store meanwhile.",
    figures=COST,
    goals=(
        Goal(
            "CPU with two rates ≤ 1.3 × that without limits",
            1.3,
            ratio("cpu_us", "rate", "no limits"),
        ),
        Goal("CPU with all limits ≤ 1.6 × that without", 1.6, ratio("cpu_us", "all", "no limits")),
    ),
    sides=limited_sides,
)


def varied_sides(stage: Stage, target: str, mode: Mode) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    servers = {"gateway": stage.start(gateway(seed(), upstream), locked=True)} | stage.peers(
        {"nginx": start.nginx(upstream), "caddy": start.caddy(upstream)}, locked=("caddy",)
    )
    return by_wrk(servers, stage.seconds, target=target, mode=mode)


VARIED = Row(
    name="varied",
    title="GET with one field and the answer's length different each time",
    method="The value of one field is different in every request, as a trace id is; the answer has "
    "one of 16 lengths at random. The rest is as in the row above.",
    figures=COST,
    goals=(
        Goal(
            "CPU ≤ 1.3 × that of nginx without authentication",
            1.3,
            ratio("cpu_us", "gateway", "nginx"),
        ),
    ),
    sides=functools.partial(varied_sides, target="/v1/projects/e0/varied", mode="varied"),
)


PATHS = Row(
    name="paths",
    title="GET with a different path each time",
    method="The path ends in another number in every request, as it does where clients ask for one "
    "thing after the other. The gateway parses and routes each anew. The rest is as in the row "
    "`get`.",
    figures=COST,
    goals=(),
    sides=functools.partial(varied_sides, target=TARGET, mode="paths"),
)


def post_sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    url = f"http://127.0.0.1:{upstream.port}"
    servers = {
        name: stage.start(gateway(seed(), upstream, upstreams={"default": dial}), locked=True)
        for name, dial in {
            "gateway": {"url": url, "reuse": "always"},
            "reuse: safe": {"url": url},
        }.items()
    } | stage.peers(
        {"nginx": start.nginx(upstream), "caddy": start.caddy(upstream)}, locked=("caddy",)
    )
    return by_wrk(servers, stage.seconds, mode="post")


POST = Row(
    name="post",
    title="POST of 1 KiB with a key that is in use, 64 keep-alive clients",
    method="The rest is as in the row `get`. nginx and Caddy send each request on a connection that"
    " has carried others, as the gateway does with `reuse: always`. By default (`reuse: safe`) it "
    "opens a connection for each POST, which then cannot be lost because the upstream closes an "
    "idle connection at that moment.",
    figures=COST,
    goals=(
        Goal(
            "CPU ≤ 1.5 × that of nginx without authentication",
            1.5,
            ratio("cpu_us", "gateway", "nginx"),
        ),
    ),
    sides=post_sides,
)


# --- many keys -----------------------------------------------------------------------------------

MANY = 1000


def by_clients(server: Server, spec: dict[str, Any]) -> Figures:
    """Measure a server under `benchmarks.load.clients`. All requests must be answered 200."""
    with Load("clients", spec | {"port": server.port, "rate": 0, "warm": True}) as clients:
        clients.receive()
        with Meter(server.pid) as meter:
            clients.go_on()
            saw = clients.receive()
    if set(saw["statuses"]) != {"200"}:
        raise Unfit(f"{server.name}: {saw['statuses']}")
    return {
        "cpu_us": meter.cpu / saw["answers"] * 1e6,
        "per_second": saw["answers"] / saw["seconds"],
        "p50_us": saw["p50_us"],
        "p99_us": saw["p99_us"],
    } | meter.cores


def keys_sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    environments = 100
    seeded = seed(keys=MANY, environments=environments)
    server = stage.start(gateway(seeded, upstream), locked=True)
    own = [
        {"requests": [head(pair.authorization, f"/v1/projects/e{number % environments}/x")]}
        for number, pair in enumerate(seeded.keys)
    ]
    sides: dict[str, Measure] = {
        name: functools.partial(by_clients, server, {"clients": clients, "seconds": stage.seconds})
        for name, clients in {"one key": [own[0]] * MANY, "own keys": own}.items()
    }
    peers = stage.peers(
        {
            "nginx, bcrypt": start.nginx(upstream, auth=True),
            "haproxy, bcrypt": start.haproxy(upstream, auth=True),
            "apache, bcrypt": start.apache(upstream),
        },
        locked=("nginx, bcrypt", "haproxy, bcrypt", "apache, bcrypt"),
    )
    return sides | by_wrk(peers, max(3, stage.seconds), clients=4)


def against(peer: str) -> Goal:
    text = f"requests per second ≥ 1,000 × those of {peer} of cost 10"
    return Goal(text, 1000, ratio("per_second", "own keys", peer), at_least=True)


KEYS = Row(
    name="keys",
    title="1,000 connections, each with its own key, in 100 environments",
    method="1,000 clients (benchmarks/load/clients.py) that share one key (`one key`) or have a "
    "key each (`own keys`); every client has sent one request before the measurement. The other "
    "servers check a bcrypt hash of cost 10 at every request; 4 clients of wrk send to them.",
    figures=COST,
    goals=(
        Goal("CPU ≤ 1.05 × that with one key", 1.05, ratio("cpu_us", "own keys", "one key")),
        against("nginx, bcrypt"),
        against("haproxy, bcrypt"),
        against("apache, bcrypt"),
    ),
    sides=keys_sides,
    rounds=3,
)


# --- latency -------------------------------------------------------------------------------------


def latency_sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.fixed_upstream())
    servers = {
        "direct": upstream,
        "gateway": stage.start(gateway(seed(), upstream), locked=True),
    } | stage.peers({"nginx": start.nginx(upstream), "haproxy": start.haproxy(upstream)})

    def measure(server: Server) -> Figures:
        request = head(server.authorization)
        saw = load("one_by_one", port=server.port, request=request, seconds=1)
        if set(saw["statuses"]) != {"200"}:
            raise Unfit(f"{server.name}: {saw['statuses']}")
        return {name: saw[name] for name in ("p50_us", "p99_us", "p999_us")}

    return {name: functools.partial(measure, server) for name, server in servers.items()}


def added(figure: str) -> Any:
    """For a goal: the latency that the gateway adds, divided by the latency that nginx adds."""

    def of(found: Round) -> float:
        direct = found["direct"][figure]
        return (found["gateway"][figure] - direct) / (found["nginx"][figure] - direct)

    return of


LATENCY = Row(
    name="latency",
    title="Latency of one client",
    method="One client with a blocking socket sends one request at a time, directly to the "
    "upstream (`direct`) and through each proxy.",
    figures={"p50_us": "p50, µs", "p99_us": "p99, µs", "p999_us": "p99.9, µs"},
    goals=(Goal("added to the p50 of `direct` ≤ 2 × what nginx adds", 2, added("p50_us")),),
    sides=latency_sides,
    rounds=5,
)

ROWS = (GET, LIMITED, VARIED, PATHS, POST, KEYS, LATENCY)
