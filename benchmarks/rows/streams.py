"""Large bodies and WebSockets: the CPU time that it takes to forward bytes."""

from __future__ import annotations

import functools

from benchmarks.gateway import gateway, seed
from benchmarks.machine import Meter
from benchmarks.peers import start
from benchmarks.processes import Load, Server, load
from benchmarks.requests import bare
from benchmarks.row import Figures, Goal, Measure, Round, Row, Stage, Unfit, ratio

CHUNK = 64 * 1024
GIGABYTE = 1e9


def transfer(server: Server, head: str, *, send: int = 0, chunk: int = 0) -> float:
    """Milliseconds of the server's CPU time per GB, measured with a body of 256 MB."""
    with Meter(server.pid) as meter:
        saw = load("body", port=server.port, head=head, send=send, chunk=chunk)
    if saw["status"] != 200 or not (send or saw["received"] >= start.LARGE):
        raise Unfit(f"{server.name}: {saw}")
    return meter.cpu * 1000 / (start.LARGE / GIGABYTE)


def bodies_sides(stage: Stage) -> dict[str, Measure]:
    down, up = stage.start(start.fixed_upstream()), stage.start(start.sink())
    seeded = seed()
    gateways = stage.start(gateway(seeded, down), locked=True), stage.start(gateway(seed(), up))
    sides = {"gateway": gateways}
    for name, stream in {"nginx": False, "nginx, unbuffered": True}.items():
        pair = stage.peers(
            {f"{name} {way}": start.nginx(upstream, stream=stream)
             for way, upstream in {"down": down, "up": up}.items()}
        )  # fmt: skip
        if len(pair) == 2:
            sides[name] = (pair[f"{name} down"], pair[f"{name} up"])

    def measure(servers: tuple[Server, Server]) -> Figures:
        downwards, upwards = servers
        get = bare("GET", "/v1/projects/e0/large", downwards.authorization)
        target = "/v1/projects/e0/x"
        put = bare("PUT", target, upwards.authorization, Content_Length=str(start.LARGE))
        chunked = bare("PUT", target, upwards.authorization, Transfer_Encoding="chunked")
        return {
            "down": transfer(downwards, get),
            "up": transfer(upwards, put, send=start.LARGE),
            "up_chunked": transfer(upwards, chunked, send=start.LARGE, chunk=CHUNK),
        }

    return {name: functools.partial(measure, servers) for name, servers in sides.items()}


def cheaper(figure: str) -> Goal:
    """A goal against nginx with or without buffering, whichever costs less."""

    def of(found: Round) -> float:
        nginx = min(found["nginx"][figure], found["nginx, unbuffered"][figure])
        return found["gateway"][figure] / nginx

    words = {"down": "download", "up": "upload", "up_chunked": "upload in chunks"}
    return Goal(f"{words[figure]}: CPU ≤ 0.8 × that of the cheaper nginx", 0.8, of)


BODIES = Row(
    name="bodies",
    title="A body of 256 MB, downloaded and uploaded",
    method="One client downloads the body, uploads it with Content-Length, and uploads it in "
    "chunks of 64 KiB. nginx is measured with its default settings, by which it buffers bodies in "
    "memory and files, and with buffering switched off, so that it streams them as the gateway "
    "does.",
    figures={
        "down": "download, ms CPU per GB",
        "up": "upload, ms CPU per GB",
        "up_chunked": "upload in chunks, ms CPU per GB",
    },
    goals=(cheaper("down"), cheaper("up"), cheaper("up_chunked")),
    sides=bodies_sides,
)


# --- WebSocket -----------------------------------------------------------------------------------


def websocket_sides(stage: Stage) -> dict[str, Measure]:
    upstream = stage.start(start.sink())
    servers = {"gateway": stage.start(gateway(seed(), upstream))} | stage.peers(
        {"nginx": start.nginx(upstream), "haproxy": start.haproxy(upstream)}
    )

    def measure(server: Server) -> Figures:
        head = bare(
            "GET", "/v1/projects/e0/socket", server.authorization, Connection="Upgrade",
            Upgrade="websocket", Sec_WebSocket_Version="13",
            Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
        )  # fmt: skip
        spec = {"port": server.port, "head": head, "sockets": 64, "seconds": stage.seconds}
        with Load("websockets", spec) as sockets:
            sockets.receive()
            with Meter(server.pid) as meter:
                sockets.go_on()
                saw = sockets.receive()
        messages = 2 * saw["messages"]  # sent and received
        if not messages:
            raise Unfit(f"{server.name} forwards no message")
        return {
            "cpu_us": meter.cpu / messages * 1e6,
            "per_second": messages / saw["seconds"],
        } | meter.cores

    return {name: functools.partial(measure, server) for name, server in servers.items()}


WEBSOCKET = Row(
    name="websocket",
    title="WebSocket: 64 sockets, 100-byte messages in both directions",
    method="Each socket sends a message, waits until the upstream's echo has come back, and sends "
    "the next; messages of both directions are counted. The load and the upstream are Python "
    "programs that share one core and may be the bottleneck, so compare the CPU time per message "
    "and not the rate.",
    figures={
        "cpu_us": "CPU per message, µs",
        "per_second": "messages per second",
        "server_core": "server's core, % busy",
        "load_core": "load's core, % busy",
    },
    goals=(
        Goal("CPU per message ≤ 1.5 × that of nginx", 1.5, ratio("cpu_us", "gateway", "nginx")),
    ),
    sides=websocket_sides,
)

ROWS = (BODIES, WEBSOCKET)
