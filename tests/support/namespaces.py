"""Parts of the machine that only some processes see: a small disk of their own, a network of their
own. That takes root, and a machine that permits it: `tests.programs.need_namespaces`."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

_MIB = 1 << 20
_MOUNT = """
folder=$1; kept=$folder.kept; size=$2; shift 2
owner=$(stat -c uid=%u,gid=%g,mode=%a "$folder")
mkdir "$kept" && cp -a "$folder/." "$kept"
mount -t tmpfs -o "size=$size,$owner" none "$folder" && cp -a "$kept/." "$folder"
exec "$@"
"""


def on_small_disk(folder: Path, size: int, command: Sequence[str]) -> list[str]:
    """`command`, for which `folder` is a disk of its own of so many MiB, with all that is in the
    folder now. It ends with the process, and what was written to it is lost."""
    mounts = ["unshare", "--mount", "/bin/sh", "-ec", _MOUNT, "sh"]
    return [*mounts, str(folder), str(size * _MIB), *command]


class SmallDisk:
    """The disk of such a process."""

    def __init__(self, pid: int, folder: Path) -> None:
        self._filler = Path(f"/proc/{pid}/root{folder}", "filler")

    def fill(self) -> None:
        """Leave no byte on it."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (_MIB, 4096, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
        usage = os.statvfs(self._filler.parent)
        assert usage.f_bavail == 0

    def free(self) -> None:
        """Have room on it again."""
        self._filler.unlink()
