"""The lock: one process holds a store, and another that tries is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from proxy.store.open import open_store
from proxy.store.protocols import Store, StoreError

HOLD = """
import asyncio, sys
from proxy.store.open import open_store
async def main():
    await open_store(sys.argv[1], holder="somebody else")
    print("held", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_a_second_process_is_refused_and_told_who_holds_the_store(
    store: Store, url: str, file: Path
) -> None:
    """By any path to the file; a process that was killed holds nothing."""
    await store.close()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    await process.stdout.readline()
    link = file.with_name("link.db")
    link.symlink_to(file)
    for name in (url, f"sqlite:///{link}"):
        with pytest.raises(StoreError, match=f"in use by process {process.pid} .somebody else"):
            await open_store(name)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    again = await open_store(url)
    with pytest.raises(StoreError, match=f"in use by process {os.getpid()} "):
        await open_store(url)
    await again.close()


async def test_a_closed_store_can_be_opened_again(store: Store, url: str, file: Path) -> None:
    """The lock's file stays and names nobody."""
    await store.close()
    assert file.with_name("wardgate.db.lock").read_bytes() == b""
    again = await open_store(url)
    await again.close()
