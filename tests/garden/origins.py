"""The origins: how each program is started, and where its journal of requests is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.garden.echo import ORIGINS as PYTHON
from tests.garden.seen import ASKED
from tests.programs import free_port, module, program, running

NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log error.log crit;
events {{ worker_connections 256; }}
http {{
  access_log off; client_max_body_size 0; keepalive_requests 1000000;
  client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;
  uwsgi_temp_path u; scgi_temp_path s;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      scgi_param CONTENT_LENGTH $content_length; scgi_param REQUEST_METHOD $request_method;
      scgi_param REQUEST_URI $request_uri; scgi_param READ_PATH $uri;
      scgi_pass 127.0.0.1:{behind};
    }}
  }}
}}
"""
APACHE = """
ServerRoot {folder}
ServerName origin
PidFile pid
ErrorLog error.log
LogLevel crit
Listen 127.0.0.1:{port}
User www-data
Group www-data
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_scgi_module {modules}/mod_proxy_scgi.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
LoadModule headers_module {modules}/mod_headers.so
MaxKeepAliveRequests 0
KeepAliveTimeout 60
ProxyPreserveHost On
RequestHeader set X-Read-Path "expr=%{{REQUEST_URI}}"
ProxyPass / {protocol}://127.0.0.1:{behind}/ nocanon
"""
LIGHTTPD = """
server.modules = ("mod_scgi")
server.document-root = "{folder}"
server.bind = "127.0.0.1"
server.port = {port}
server.max-keep-alive-requests = 1000000
scgi.server = ("/" => (("host" => "127.0.0.1", "port" => {behind}, "check-local" => "disable",
                        "fix-root-scriptname" => "enable")))
"""
HAPROXY = """
global
  nbthread 1  # of several threads that write to the log at once, one drops its line
  log stdout len 65535 format raw local0
defaults
  mode http
  timeout client 60s
  timeout http-keep-alive 60s
frontend f
  bind 127.0.0.1:{port}
  log global
  option http-buffer-request
  http-request set-var-fmt(txn.said) '{said}'
  log-format "%[var(txn.said)]"
  http-request return status 200 content-type application/json lf-string %[var(txn.said)]
"""
MODULES = "/usr/lib/apache2/modules"
Command = Callable[[Path, int, int], list[str]]
"""(folder, port, port of the server behind it) → a program's command."""


def nginx(folder: Path, port: int, behind: int) -> list[str]:
    (folder / "nginx.conf").write_text(NGINX.format(port=port, behind=behind))
    return [program("nginx"), "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"]


def apache(folder: Path, port: int, behind: int, protocol: str = "http") -> list[str]:
    settings = {"folder": folder, "port": port, "behind": behind, "protocol": protocol}
    conf = folder / "apache.conf"
    conf.write_text(APACHE.format(**settings, modules=MODULES))
    return [program("apache2"), "-f", str(conf), "-DFOREGROUND"]


def apache_scgi(folder: Path, port: int, behind: int) -> list[str]:
    return apache(folder, port, behind, "scgi")


def lighttpd(folder: Path, port: int, behind: int) -> list[str]:
    conf = folder / "lighttpd.conf"
    conf.write_text(LIGHTTPD.format(folder=folder, port=port, behind=behind))
    return [program("lighttpd"), "-D", "-f", str(conf)]


def haproxy(folder: Path, port: int, _behind: int) -> list[str]:
    looked_up = {word: f"req.hdr({name})" for word, name in ASKED.items()}
    asked = {"method": "method", "target": "url", "path": "path", "host": "req.hdr(host)"}
    asked |= looked_up
    members = [f'"{word}":"%[{name},json(utf8s)]"' for word, name in asked.items()]
    members += ['"length":%[req.body_len]', '"hash":"%[req.body,sha2(256),hex,lower]"']
    conf = folder / "haproxy.conf"
    conf.write_text(HAPROXY.format(port=port, said="{" + ",".join(members) + "}"))
    return [program("haproxy"), "-f", str(conf)]


def node(folder: Path, port: int, _behind: int) -> list[str]:
    script = str(Path(__file__).with_name("echo.js"))
    (folder / "journal").touch()
    return [program("node"), script, str(port), str(folder / "journal"), json.dumps(ASKED)]


def python(name: str, folder: Path, port: int) -> list[str]:
    journal = str(folder / "journal")
    return module("tests.garden.echo", name, str(port), journal)


IN_FRONT: dict[str, tuple[Command, str]] = {
    "nginx": (nginx, "scgi"),
    "lighttpd": (lighttpd, "scgi"),
    "apache-scgi": (apache_scgi, "scgi"),
    "apache-http": (apache, "aiohttp"),
}
"""Programs that have no application, each with the server behind it that notes what it read."""
ALONE: dict[str, Command] = {"haproxy": haproxy, "node": node}
NAMES = (*IN_FRONT, *ALONE, *(name for name in PYTHON if name != "scgi"))


@contextmanager
def origin(name: str, folder: Path) -> Iterator[tuple[int, Path]]:
    """(the port of a running origin, its journal)."""
    port = free_port()
    if name in IN_FRONT:
        start, behind = IN_FRONT[name]
        inner = free_port()
        command = start(folder, port, inner)
        with running(python(behind, folder, inner), inner, folder), running(command, port, folder):
            yield port, folder / "journal"
    elif name in ALONE:
        with running(ALONE[name](folder, port, 0), port, folder):
            yield port, folder / ("out" if name == "haproxy" else "journal")
    else:
        with running(python(name, folder, port), port, folder):
            yield port, folder / "journal"
