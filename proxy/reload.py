"""Takes over a changed configuration, and changed files that it names, while a node serves.

The rule that lives here: what cannot be used as a whole changes nothing, and its errors are logged.
Whatever has to be read is read in a thread, so that no request waits for a disk.

Tested in `tests/test_reload.py`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

from proxy.config.load import load
from proxy.config.model import Config
from proxy.config.settings import FileSettings, SettingErrors
from proxy.config.source import ConfigError
from proxy.gateway.server import Gateway
from proxy.preflight import access_log_obstacles
from proxy.telemetry.health import Report

FILES_EVERY: Final = 5.0
"""Seconds between two looks at the files of certificates, authorities and tokens."""

log = logging.getLogger("wardgate.reload")
"""Of several processes that reload the same file, one says what comes of it."""

G = TypeVar("G", bound=FileSettings)


class Reloadable(Protocol):
    """What takes over a configuration while it serves."""

    gateway: Gateway

    @property
    def config(self) -> Config:
        """The configuration in use."""
        ...

    async def reload(self, config: Config) -> None:
        """Go on with another configuration."""
        ...


class Reloader:
    """Keeps a node up to date with its configuration's file, and with the files named there."""

    def __init__(self, node: Reloadable, file: Path, *, says: bool = True) -> None:
        """`file` is the one that the configuration of `node` was read from. Without `says`, another
        process that reads the same file logs what comes of it: it may come to another end here."""
        self._node = node
        self._file = file
        self._watch = partial(node.gateway.telemetry.health.watch, says=says)
        self._report = self._watch(
            "configuration",
            f"configuration {file}",
            "is refused: %s; the one before stays in use",
            "is valid again, and in use",
        )
        self._reports: dict[str, Report] = {}
        """By the name of a group of settings: what is wrong with its files."""

    async def follow(self, asked: asyncio.Event) -> None:
        """Reload whenever `asked` is set, and in between take over changed files; for ever. While a
        reload is in progress, being asked any number of times leads to one more after it."""
        while True:
            try:
                async with asyncio.timeout(FILES_EVERY):
                    await asked.wait()
            except TimeoutError:
                take = self.take_files
            else:
                asked.clear()
                take = self.reload
            try:
                await take()
            except Exception:  # the next change must be taken over nevertheless
                logging.getLogger("wardgate").exception("a reload failed, and changed nothing")

    async def reload(self) -> None:
        """Read the configuration again, and use it if it is valid, else log what is wrong with it.
        Either way, open the access log anew: whoever has moved its file away asks for that."""
        try:
            config = await asyncio.to_thread(
                load, self._file, os.environ, check=access_log_obstacles
            )
        except ConfigError as error:
            number = len(error.problems)
            self._report(f"it has {number} problem{'s' if number > 1 else ''}")
            for problem in error.problems:
                log.error("%s", problem)
        else:
            await self._node.reload(config)
            for report in (self._report, *self._reports.values()):
                report(None)
            self._reports.clear()
            text = "configuration %s is in use: %d upstream(s), %d route(s)"
            log.info(text, self._file, len(config.upstreams), len(config.routes))
        await self._node.gateway.reopen_log()

    async def take_files(self) -> None:
        """Use what is in the files of certificates, authorities and tokens now. Where that cannot
        be used, such as a certificate whose key has yet to be written, use what was there before,
        and look again at the next call."""
        config, causes, changed = await asyncio.to_thread(reread, self._node.config)
        if changed:
            await self._node.reload(config)
        for name in changed:
            log.info("the files of %s have changed, and are in use", name)
        for name, cause in causes.items():
            self._report_files(name, cause)

    def _report_files(self, name: str, cause: str | None) -> None:
        if name not in self._reports:
            self._reports[name] = self._watch(
                "file",
                f"the files of {name}",
                "cannot be used: %s; what was in them before stays in use",
                "can be used again",
            )
        self._reports[name](cause)


class Reread(NamedTuple):
    """What became of the files that a configuration names."""

    config: Config
    """The configuration with what is in them now, as far as that can be used."""
    causes: dict[str, str | None]
    """By the name of a group of settings with files: why these cannot be used, or None."""
    changed: list[str]
    """The groups that differ from those before."""


def reread(config: Config) -> Reread:
    """Read the files of `config` again where something else is in them now."""
    causes: dict[str, str | None] = {}
    changed: list[str] = []

    def again(name: str, group: G) -> G:
        causes[name] = None
        if group.changed:
            try:
                group = group.reread()
                changed.append(name)
            except SettingErrors as error:
                causes[name] = "; ".join(f"{setting}: {fault}" for setting, fault in error.faults)
        return group

    tls, admin = config.tls, config.admin
    if tls is not None:
        tls = again("tls", tls)
    if admin is not None and admin.tls is not None:
        admin = admin.model_copy(update={"tls": again("admin.tls", admin.tls)})
    if admin is not None and admin.oidc is not None:
        admin = admin.model_copy(update={"oidc": again("admin.oidc", admin.oidc)})
    if admin is not None and admin.webhooks:
        hooks = {
            name: again(f"admin.webhooks.{name}", each) for name, each in admin.webhooks.items()
        }
        admin = admin.model_copy(update={"webhooks": hooks})
    upstreams = {name: again(f"upstreams.{name}", each) for name, each in config.upstreams.items()}
    update = {"tls": tls, "admin": admin, "upstreams": upstreams}
    return Reread(config.model_copy(update=update), causes, changed)
