"""Initialises a store: the first admin account and its key, or a new key if all are lost."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from admin.api.representations import Links, key_json
from admin.cli.private_file import new_file
from admin.service import View
from admin.service.first_admin import create_first_admin, recover_admin_key
from proxy.config.model import Config
from proxy.domain.audit import Actor
from proxy.domain.clock import now_ms
from proxy.domain.errors import WardgateError
from proxy.domain.transitions import actions_of
from proxy.node import SERVING, endpoint_of
from proxy.store.open import open_store
from proxy.store.protocols import StoreInUse


@dataclass(frozen=True, slots=True)
class PresetKey:
    """An access key and a secret that a script chose for the first admin; both None if none did."""

    access_key: str | None = None
    secret: bytes | None = None

    @classmethod
    def read(cls, access_key_file: Path | None, secret_key_file: Path | None) -> PresetKey:
        """Read both from files with one line each. Raises `WardgateError`."""
        if access_key_file is None or secret_key_file is None:
            return cls()
        access_key = _read_line(access_key_file).decode("ascii", "backslashreplace")
        return cls(access_key, _read_line(secret_key_file))


def _read_line(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise WardgateError(f"cannot read {path}: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class FirstKey:
    """A new key with its secret, to be shown once."""

    resource: dict[str, Any]

    @property
    def access_key(self) -> str:
        """The Basic user name."""
        return str(self.resource["publicValue"])

    @property
    def secret_key(self) -> str:
        """The Basic password."""
        return str(self.resource["secretValue"])

    def as_json(self) -> str:
        """The `apiKey` resource."""
        return json.dumps(self.resource, indent=2)

    def as_text(self) -> str:
        """The access key and the secret key, for people to read."""
        return (
            f"Access key (user name):  {self.access_key}\n"
            f"Secret key (password):   {self.secret_key}\n"
            "Save them now: this is the only time the secret key is shown."
        )


def initialise(
    config: Config,
    *,
    preset: PresetKey,
    recover: bool = False,
    if_needed: bool = False,
    save_key: Path | None = None,
) -> FirstKey | None:
    """Create the store, the first admin account and its key; with `recover`, one more admin key.

    With `if_needed`, return None if an admin exists. The key is written as JSON to the new file
    `save_key` before this returns. Raises `WardgateError`.
    """
    if if_needed and _is_set_up(config):
        return None  # although `save_key` may exist, from the first time
    with new_file(save_key) as file:
        first = asyncio.run(_initialise(config, preset, recover))
        if file is not None:
            _save(first, file, save_key)
        return first


def _save(key: FirstKey, file: int, path: Path | None) -> None:
    try:
        with os.fdopen(file, "w", closefd=False) as stream:
            stream.write(key.as_json() + "\n")
        os.fsync(file)
    except OSError as error:
        raise WardgateError(
            f"cannot write {path}: {error.strerror}; the key was created, but its secret is lost: "
            "create another one with --recover"
        ) from None


def _is_set_up(config: Config) -> bool:
    """Whether an admin exists, as in every store that `wardgate serve` has open."""
    try:
        return asyncio.run(_has_admin(config))
    except StoreInUse as error:
        if error.holder != SERVING:
            raise
        return True


async def _has_admin(config: Config) -> bool:
    store = await open_store(
        config.store, create=True, holder="wardgate init", **config.postgres.access
    )
    try:
        return await store.has_admin()
    finally:
        await store.close()


async def _initialise(config: Config, preset: PresetKey, recover: bool) -> FirstKey:
    store = await open_store(
        config.store, create=not recover, holder="wardgate init", **config.postgres.access
    )
    actor = Actor()  # the command line on the store's machine
    try:
        if recover:
            key, secret = await recover_admin_key(
                store, bcrypt_rounds=config.bcrypt_rounds, actor=actor, clock=now_ms
            )
        else:
            key, secret = await create_first_admin(
                store,
                access_key=preset.access_key,
                secret=preset.secret,
                bcrypt_rounds=config.bcrypt_rounds,
                actor=actor,
                clock=now_ms,
            )
        assert key.account_id is not None
        owner = await store.get_account(key.account_id)
    finally:
        await store.close()
    scheme = "https" if config.tls else "http"
    gateway_url = f"{scheme}://{config.listen[0]}"
    links = Links(f"{scheme}://{config.admin.listen[0]}" if config.admin else gateway_url)
    view = View(key, actions_of(key.state), owner, now_ms())
    return FirstKey(
        key_json(
            view, links, lambda environment: endpoint_of(config, gateway_url, environment), secret
        )
    )
