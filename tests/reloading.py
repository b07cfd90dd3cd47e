"""A node whose configuration changes while it serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from proxy.reload import Reloader
from tests.harness import World


class Reloading:
    """The configuration file of a running world, and its reloader."""

    def __init__(self, world: World) -> None:
        self.file: Path = world.log_file.parent / "wardgate.yaml"
        self.reloader = Reloader(world.node, self.file)

    async def set(self, **settings: Any) -> None:
        """Reload with these settings over those in the file. A setting that is None is removed."""
        config = json.loads(self.file.read_text()) | settings
        config = {name: value for name, value in config.items() if value is not None}
        self.file.write_text(json.dumps(config))
        await self.reloader.reload()

    async def set_upstream(self, **settings: Any) -> None:
        """The same for settings of the default upstream."""
        upstreams = json.loads(self.file.read_text())["upstreams"]
        await self.set(upstreams=upstreams | {"default": upstreams["default"] | settings})
