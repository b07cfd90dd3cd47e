"""The entry point of the command line. Errors become one message and an exit status here.

The rule that lives here: everything but `click` is imported by the command that needs it, so that
`wardgate --help` loads no server. Tested in `tests/proxy/test_main.py`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from admin.cli import EXIT_STATUS, Group, commands
from admin.cli.errors import CommandError, InvalidConfiguration
from proxy.domain.errors import WardgateError

if TYPE_CHECKING:
    from proxy.config.load import Check
    from proxy.config.model import Config

CONFIG = click.Path(path_type=Path, dir_okay=False)


def load_config(path: Path, check: Check = lambda _: ()) -> Config:
    """Read the configuration at `path`, and apply `check` to it.

    Raises `InvalidConfiguration` with every problem.
    """
    from proxy.config.load import load
    from proxy.config.source import ConfigError

    try:
        return load(path, os.environ, check=check)
    except ConfigError as error:
        raise InvalidConfiguration("\n".join(map(str, error.problems))) from None


@click.group(
    cls=Group, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_STATUS
)
@click.version_option(package_name="wardgate", message="wardgate %(version)s")
def main() -> None:
    """API keys in front of the HTTP API you already have."""


@main.command()
@click.option("--config", "-c", "path", type=CONFIG, required=True, help="The configuration file.")
def serve(path: Path) -> None:
    """Run the gateway, and the admin server where it is configured, until SIGTERM or Ctrl-C.
    SIGHUP reloads the configuration."""
    from proxy.config.workers import processes
    from proxy.serve import run

    config = load_config(path)
    _log_to_stderr()
    with plain_errors():
        if processes(config.workers) > 1:
            from proxy.supervise import run as supervise

            sys.exit(supervise(config, path))
        run(config, file=path)


@main.command()
@click.option("--config", "-c", "path", type=CONFIG, required=True, help="The configuration file.")
def upgrade(path: Path) -> None:
    """Have the server go on as the program that is installed now, without the end of a connection:
    that is, with `workers` of more than one. Workers of the program before finish their requests
    and their tunnels."""
    from proxy.upgrade import upgrade as ask

    config = load_config(path)
    with plain_errors():
        pid = ask(config)
    click.echo(f"wardgate: process {pid} and its workers run the program that is installed now")


@main.command("check-config")
@click.argument("path", type=CONFIG)
def check_config(path: Path) -> None:
    """Report every problem in a configuration file, and everything that `serve` would fail of on
    this machine; the exit status is 2 if there is any."""
    from proxy.preflight import obstacles
    from proxy.store.open import store_exists

    config = load_config(path, obstacles)
    click.echo(f"{path}: ok, {len(config.upstreams)} upstream(s), {len(config.routes)} route(s)")
    if not store_exists(config.store):
        click.echo(f"{path}: the store does not exist yet: run `wardgate init --config {path}`")


@main.command()
@click.option("--config", "-c", "path", type=CONFIG, required=True, help="The configuration file.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--if-needed", is_flag=True, help="Succeed without any change if an admin exists.")
@click.option(
    "--recover",
    is_flag=True,
    help="Create a new admin key because all are lost. Stop the server first.",
)
@click.option(
    "--save-key",
    type=CONFIG,
    help="Write the key as JSON to this new file of mode 0600, and do not show it.",
)
@click.option("--access-key-file", type=CONFIG, help="Use the access key in this file.")
@click.option("--secret-key-file", type=CONFIG, help="Use the secret key in this file.")
def init(
    path: Path,
    output: str,
    if_needed: bool,
    recover: bool,
    save_key: Path | None,
    access_key_file: Path | None,
    secret_key_file: Path | None,
) -> None:
    """Create the store, the first admin account and its key, which is shown once."""
    from proxy.init_store import PresetKey, initialise

    if bool(access_key_file) != bool(secret_key_file):
        raise click.UsageError(
            "--access-key-file and --secret-key-file need each other: use both or none"
        )
    if recover and (if_needed or access_key_file):
        raise click.UsageError(
            "--recover cannot be used with --if-needed, --access-key-file or --secret-key-file"
        )
    config = load_config(path)
    _log_to_stderr()
    with plain_errors():
        preset = PresetKey.read(access_key_file, secret_key_file)
        first = initialise(
            config, preset=preset, recover=recover, if_needed=if_needed, save_key=save_key
        )
    if first is None:
        click.echo("wardgate: an admin exists already, nothing to do", err=True)
    elif save_key is not None:
        click.echo(f"wardgate: the admin key is in {save_key}", err=True)
    elif output == "json":
        click.echo(first.as_json())
    else:
        click.echo(first.as_text())


@main.command()
@click.option("--upstream", metavar="URL", help="The API to protect. [default: a sample API]")
@click.option(
    "--listen", default="127.0.0.1:8080", show_default=True, help="Where the gateway listens."
)
@click.option(
    "--admin-listen",
    default="127.0.0.1:8081",
    show_default=True,
    help="Where the admin server listens.",
)
@click.option(
    "--var",
    type=click.Path(path_type=Path),
    default="var",
    show_default=True,
    help="The directory for the store and the configuration.",
)
@click.option(
    "--show", is_flag=True, help="Only print the lines to paste again, without the secret key."
)
def quickstart(upstream: str | None, listen: str, admin_listen: str, var: Path, show: bool) -> None:
    """Try Wardgate: set up a gateway and an admin server on this machine, and run them."""
    from proxy.quickstart.start import lines_again
    from proxy.quickstart.start import quickstart as start

    _log_to_stderr(logging.WARNING)
    with plain_errors():
        if show:
            click.echo(lines_again(var), nl=False)
            return
        start(upstream=upstream, listen=listen, admin_listen=admin_listen, var=var)


@main.group()
def store() -> None:
    """Look at the store, back it up and restore it, and bring it to a new version."""


@store.command()
@click.argument("file", type=CONFIG)
@click.option("--config", "-c", "path", type=CONFIG, required=True, help="The configuration file.")
def backup(file: Path, path: Path) -> None:
    """Write the store to the new file FILE of mode 0600, also while the server runs.

    The backup has everything that the store has: the hashes of all secrets and the server key too.
    """
    from proxy.store.open import backup_store

    config = load_config(path)
    with plain_errors():
        backup_store(config.store, file)
    click.echo(f"wardgate: the backup is in {file}: protect it like the store itself", err=True)


@store.command()
@click.argument("file", type=CONFIG)
@click.option("--config", "-c", "path", type=CONFIG, required=True, help="The configuration file.")
def restore(file: Path, path: Path) -> None:
    """Make the store of the backup FILE, after checking it. There must be no store yet.

    Everything is then as it was at the time of the backup: keys that were created since do not
    exist, and keys that were deactivated or removed since work again.
    """
    from proxy.store.open import restore_store

    config = load_config(path)
    _log_to_stderr()
    with plain_errors():
        restore_store(file, config.store)
    click.echo(
        f"wardgate: the store is as it was in {file}: keys that were deactivated or removed since "
        "then work again",
        err=True,
    )


@store.command()
@click.option("--config", "-c", "path", type=CONFIG, required=True, help="The configuration file.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def status(path: Path, output: str) -> None:
    """Show the schema of the store, and the nodes that use it with their versions. Nothing is
    changed, and the store may be of any version."""
    import asyncio

    from proxy.store.open import store_status

    config = load_config(path)
    with plain_errors():
        found = asyncio.run(store_status(config.store, **config.postgres.access))
    click.echo(json.dumps(found.as_json(), indent=2) if output == "json" else found.as_text())


@store.command()
@click.option("--config", "-c", "path", type=CONFIG, required=True, help="The configuration file.")
def migrate(path: Path) -> None:
    """Bring the store to the schema of this version, as its owner in the database. Nodes of the
    version before go on meanwhile."""
    import asyncio

    from proxy.store.open import migrate_store

    config = load_config(path)
    _log_to_stderr()
    with plain_errors():
        before, after = asyncio.run(migrate_store(config.store, **config.postgres.access))
    what = f"has schema {after} already" if before == after else f"has schema {after} now"
    click.echo(f"wardgate: the store {what}", err=True)


@store.command("finish-upgrade")
@click.option("--config", "-c", "path", type=CONFIG, required=True, help="The configuration file.")
def finish_upgrade(path: Path) -> None:
    """Once all nodes run the new version: no older one may use the store any more."""
    import asyncio

    from proxy.store.open import finish_upgrade as finish

    def waiting(name: str, seconds: float) -> None:
        text = f"wardgate: is the node {name} alive? That takes up to {seconds:.0f} s to find out"
        click.echo(text, err=True)

    config = load_config(path)
    with plain_errors():
        access = config.postgres.access
        before, after = asyncio.run(finish(config.store, **access, waiting=waiting))
    what = "was finished before" if before == after else "is finished"
    click.echo(f"wardgate: the upgrade {what}: the store needs schema {after}", err=True)


@store.command()
def grants() -> None:
    """Print the SQL by which roles of PostgreSQL get the least rights that nodes need."""
    from importlib.resources import files

    text = files("proxy.store.postgres").joinpath("grants.sql").read_text("utf-8")
    click.echo(text, nl=False)


@store.command("copy")
@click.option("--from", "source", type=CONFIG, required=True, help="The configuration in use.")
@click.option(
    "--to", "target", type=CONFIG, required=True, help="The configuration with the new store."
)
@click.option("--keep", is_flag=True, help="The store stays in use: the copy is a backup.")
@click.option("--dry-run", is_flag=True, help="Only find out whether that can be done.")
def copy_store(source: Path, target: Path, keep: bool, dry_run: bool) -> None:
    """Copy the store to a new one, of the same kind or of the other, which takes its place. Stop
    the server first, on all nodes.

    Everything is copied but the list of nodes. `serve` then refuses the old store; `wardgate store
    reopen` takes that back.
    """
    from proxy.domain.clock import now_ms
    from proxy.store.copying.copy import copy
    from proxy.store.copying.progress import Progress
    from proxy.store.open import place_of

    old, new = load_config(source), load_config(target)
    with plain_errors():
        done = copy(
            place_of(old.store, **old.postgres.access),
            place_of(new.store, **new.postgres.access),
            now_ms(),
            Progress(lambda text: click.echo(f"wardgate: {text}", err=True)),
            keep=keep,
            dry_run=dry_run,
        )
    click.echo(f"wardgate: {done.as_text(dry_run=dry_run, keep=keep)}", err=True)


@store.command()
@click.option("--config", "-c", "path", type=CONFIG, required=True, help="The configuration file.")
def reopen(path: Path) -> None:
    """Use a store again that was copied to another one. What has been changed in the new one is
    not in it."""
    from proxy.domain.clock import now_ms
    from proxy.store.copying.copy import reopen
    from proxy.store.open import place_of

    config = load_config(path)
    with plain_errors():
        moved_to = reopen(place_of(config.store, **config.postgres.access), now_ms())
    click.echo(
        f"wardgate: the store is open again: nothing may use {moved_to} any more, because each of "
        "the two has changes of its own from now on",
        err=True,
    )


for _command in commands():
    main.add_command(_command)


def _log_to_stderr(level: int = logging.INFO) -> None:
    logging.basicConfig(level=level, stream=sys.stderr, format="wardgate: %(message)s")
    logging.getLogger("aiohttp").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(
        logging.ERROR
    )  # it warns of every client that disconnects


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn the errors of this project into a message and exit status 1."""
    try:
        yield
    except WardgateError as error:
        raise CommandError(str(error)) from None
    except KeyboardInterrupt:
        raise CommandError("interrupted") from None


if __name__ == "__main__":
    sys.exit(main())
